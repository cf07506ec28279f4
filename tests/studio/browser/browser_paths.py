"""What people do in Studio, from the first click to an answer with its sources."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page, Playwright, expect

from tests.studio.browser.conftest import LESSON_TIMEOUT_MS, ROOT, RunningStudio, launch
from tests.studio.browser.signing import act_as, sign

ESTABLISHED = "01"
"""In /proc/net/tcp."""
AWAY = """() => {
  const manager = window.socket.io;
  manager.reconnectionDelay(9000);
  manager.reconnectionDelayMax(9000);
  manager.randomizationFactor(0);
  manager.once("reconnect", () => { window.isBack = true; });
  manager.engine.close();
}"""
"""Loses the connection for nine seconds, as a stalled browser does; a new page would not be back."""
NOTE_CARETS = """() => {
  window.carets = 0;
  const look = () => { if (document.querySelector(".answer .caret")) window.carets += 1; };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true });
}"""
"""Counts what an answer that is under way shows: a short one is whole before somebody looks twice."""
ROWS = """question,reply,note
What is the capital of the moon?,It has none: nobody lives there.,
How many legs has a spider?,Eight of them.,
How many legs has a spider?,Eight of them.,a copy
,An answer without a question.,
Who wrote the first program?,Ada Lovelace did.,
Which planet is the largest?,,no answer
"""
REFUSED_ROWS = """prompt,completion
How many legs has a spider?,Eight of them.
Whom do I ask about the office?,Write to jane.doe@example.org about it.
"""


def test_an_answer_streams_and_says_where_it_is_from(learned: RunningStudio, page: Page):
    """A question is answered piece by piece, at a price, with the rows that resemble it."""
    page.goto(f"{learned.url}/chat")
    page.evaluate(NOTE_CARETS)
    page.get_by_label("Your question").fill("What does os.getcwd do?")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_function("() => window.carets > 0")
    expect(page.get_by_text(re.compile(r"Sources · 0\.\d+ OPEN")).last).to_be_visible()
    expect(page.locator(".quote", has_text="os.getcwd").first).to_be_visible()


def test_a_file_with_bad_rows_is_previewed_committed_and_published(
    studio: RunningStudio, page: Page
):
    """Bad rows are named with reason and remedy before anything is signed; the good ones enter."""
    act_as(page, studio.url, "dev:alice")
    page.goto(f"{studio.url}/datanets")
    page.get_by_role("button", name="New Datanet").click()
    page.get_by_label("Name").fill("Questions of a child")
    page.get_by_role("button", name="Preview and sign").click()
    sign(page)
    page.get_by_role("link", name="Questions of a child").click()
    page.get_by_role("button", name="Add rows").click()
    file = {"name": "rows.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type] # its own dict
    expect(page.get_by_role("heading", name="3 rows will be refused")).to_be_visible()
    expect(page.get_by_text("It has no value in column 'question'.")).to_be_visible()
    expect(page.get_by_text("It has no value in column 'reply'.")).to_be_visible()
    expect(page.get_by_text("Equal to a row committed earlier.")).to_be_visible()
    page.get_by_role("button", name="Commit 3 rows").click()
    sign(page)
    expect(page.get_by_text("Sign Submissions.reveal")).to_be_visible()
    sign(page)
    page.get_by_role("button", name="Review queue").click()
    page.get_by_role("button", name="Publish a version").click()
    sign(page)
    expect(page.get_by_role("cell", name="v1", exact=True)).to_be_visible()


def test_a_refused_row_is_explained_and_appealed(studio: RunningStudio, page: Page, tmp_path: Path):
    """Who lost a bond reads why, appeals with reasons, and the curator answers before a panel."""
    act_as(page, studio.url, "dev:alice")
    page.goto(f"{studio.url}/datanets")
    page.get_by_role("button", name="New Datanet").click()
    page.get_by_label("Name").fill("Rows to refuse")
    page.get_by_role("button", name="Preview and sign").click()
    sign(page)
    page.get_by_role("link", name="Rows to refuse").click()
    page.wait_for_url(re.compile(r"/datanets/\d+$"))
    datanet = page.url.rpartition("/")[2]
    table = tmp_path / "rows.csv"
    table.write_text(REFUSED_ROWS)
    contribute = [sys.executable, "-m", "node.cli", "datanet", "import", datanet, str(table)]
    contribute += ["--keep-rejected", "--key=dev:bob", f"--node={studio.node_url()}"]
    subprocess.run(contribute, check=True, cwd=ROOT)
    page.get_by_role("button", name="Review queue").click()
    expect(page.get_by_text("It holds what looks like a person's e-mail address.")).to_be_visible()
    page.get_by_role("button", name="Publish a version").click()
    sign(page)
    page.get_by_role("link", name="v1", exact=True).click()
    expect(page.get_by_role("cell", name="added")).to_be_visible()
    act_as(page, studio.url, "dev:bob")
    page.goto(f"{studio.url}/datanets/{datanet}/submissions/0")
    expect(page.get_by_role("cell", name="refused")).to_be_visible()
    expect(page.get_by_text("Replace it by a placeholder such as [e-mail].")).to_be_visible()
    page.get_by_role("button", name="Appeal").click()
    page.get_by_label("What shows it").fill("It is the address of an office, not of a person.")
    page.get_by_role("button", name="Preview and sign").click()
    sign(page)
    page.wait_for_url(re.compile(r"/reports/\d+"))
    report = page.url
    expect(page.get_by_text("It is the address of an office, not of a person.")).to_be_visible()
    act_as(page, studio.url, "dev:alice")
    page.goto(report)
    page.get_by_role("button", name="Answer").click()
    page.get_by_label("What you say").fill("It names somebody all the same.")
    page.get_by_role("button", name="Preview and sign").click()
    sign(page)
    expect(page.get_by_text("It names somebody all the same.")).to_be_visible()


def test_a_killed_browser_loses_nothing_of_a_training(
    learned: RunningStudio, playwright: Playwright
):
    """The job lives in the worker and on the chain: the curve is whole when somebody looks again."""
    first = launch(playwright)
    page = first.new_page()
    page.set_default_timeout(60_000)
    act_as(page, learned.url, "dev:builder")
    page.goto(f"{learned.url}/models/new")
    page.get_by_label("Steps", exact=True).fill("12")
    page.get_by_role("button", name="Preview and sign").click()
    sign(page)
    page.wait_for_url(re.compile(r"/jobs/\d+"))
    job = page.url
    first.close()
    with launch(playwright) as second:
        again = second.new_page()
        again.goto(job)
        expect(again.get_by_text("The model is registered.")).to_be_visible(
            timeout=LESSON_TIMEOUT_MS
        )
        expect(again.locator("main svg").first).to_be_visible()
        # Its legend has the held-out loss, which only a committed transcript tells.
        expect(again.locator("svg text", has_text="held out")).to_be_visible()


def test_a_key_is_made_unlocked_and_locked_without_reaching_the_page(
    studio: RunningStudio, page: Page
):
    """The words are shown once; afterwards the page has names and accounts only."""
    page.goto(f"{studio.url}/wallet")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("carol")
    dialog.get_by_label("Password", exact=True).fill("correct horse")
    dialog.get_by_label("The password again").fill("correct horse")
    dialog.get_by_role("button", name="Make it").click()
    words = page.locator("pre.code").inner_text()
    assert len(words.split()) == 24
    page.get_by_role("button", name="I have written them down").click()
    page.reload()
    expect(page.get_by_role("cell", name="carol", exact=True).first).to_be_visible()
    assert words.split()[0] + " " + words.split()[1] not in page.content()
    assert "correct horse" not in page.content()


def test_a_referendum_goes_from_proposal_to_enactment(studio: RunningStudio, page: Page):
    """A parameter is proposed, tried on a fork, voted for, and changed by the chain itself."""
    act_as(page, studio.url, "dev:faucet")
    page.goto(f"{studio.url}/governance/new")
    page.get_by_label("Parameter", exact=True).fill("Attribution.rows_min")
    page.get_by_role("option", name="Attribution.rows_min").click()
    page.get_by_label("Rows min").fill("7")
    page.get_by_role("button", name="Try it on a fork").click()
    expect(page.get_by_text("Attribution.rows_min").first).to_be_visible()
    page.get_by_label("Blocks from the approval to the call").fill("2")
    page.get_by_role("button", name="Preview and sign").click()
    expect(page.get_by_text("Sign Preimage.note")).to_be_visible()
    sign(page)
    expect(page.get_by_text("Sign Governance.submit")).to_be_visible()
    sign(page)
    page.get_by_role("link", name="#0", exact=True).click()
    page.get_by_role("button", name="Place the decision deposit").click()
    sign(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("OPEN to vote with").fill("5000000OPEN")
    page.get_by_role("button", name="Preview and vote").click()
    expect(page.get_by_text("Sign Voting.vote")).to_be_visible()
    expect(page.get_by_role("dialog").last).to_contain_text("5,000,000 OPEN")
    sign(page)
    expect(page.get_by_text("approved")).to_be_visible(timeout=LESSON_TIMEOUT_MS)
    page.goto(f"{studio.url}/pallets/Attribution/rows_min")
    expect(page.get_by_text("7", exact=True)).to_be_visible()


def test_a_tab_that_was_away_keeps_what_was_typed(studio: RunningStudio, page: Page):
    """A connection that was lost for long enough to matter comes back to the same page."""
    page.goto(f"{studio.url}/wallet")
    page.get_by_label("Amount").fill("5OPEN")
    page.evaluate(AWAY)
    page.wait_for_function("() => window.isBack")
    expect(page.get_by_label("Amount")).to_have_value("5OPEN")


def connections(pid: int, port: int) -> int:
    """How many TCP connections a process has to a port of this machine."""
    sockets = {
        str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()
    }
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return sum(
        row[2].endswith(f":{port:04X}")
        and row[3] == ESTABLISHED
        and f"socket:[{row[9]}]" in sockets
        for row in rows
    )


def test_fifty_tabs_cost_the_node_no_connection(studio: RunningStudio, page: Page):
    """However many tabs look, all of them share what one needs."""
    page.goto(studio.url)
    expect(page.locator(".head-state")).to_contain_text("block")
    port = int(studio.node_url().rpartition(":")[2])
    before = connections(studio.process.pid, port)
    for _ in range(50):
        tab = page.context.new_page()
        tab.goto(f"{studio.url}/blocks")
        expect(tab.locator(".head-state")).to_contain_text("block")
    assert 0 < connections(studio.process.pid, port) <= before


def test_three_clicks_lead_to_an_attributed_answer(attributed: RunningStudio, page: Page):
    """From an empty chain to an answer whose sources and payouts are known, by three clicks."""
    page.goto(f"{attributed.url}/chat")
    page.get_by_text("Sources ·").first.click()
    expect(page.get_by_text("What moved this answer")).to_be_visible()
    expect(page.get_by_text("Rows that resemble the question")).to_be_visible()


def test_a_receipt_is_verified_in_the_page(attributed: RunningStudio, page: Page):
    """Every link from a row to its payout is checked on this machine and named."""
    page.goto(f"{attributed.url}/chat")
    page.get_by_text("Sources ·").first.click()
    page.get_by_role("button", name="Verify the receipt here").click()
    expect(page.get_by_text("Every link holds, from a row to its payout.")).to_be_visible()
    for link in ("chain", "block", "row", "job", "model", "answer", "score", "payout"):
        expect(page.get_by_role("cell", name=link, exact=True)).to_be_visible()
