"""Every page at two widths, light and dark: a picture, nothing clipped, inaccessible, or foreign.

The pictures are written to `.openledger/pictures/`, to be looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.studio.browser.conftest import ROOT, RunningStudio, watched

PICTURES = ROOT / ".openledger/pictures"
AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
SERIOUS = {"serious", "critical"}
PAGES = {
    "overview": "/",
    "datanets": "/datanets",
    "datanet": "/datanets/0",
    "version": "/datanets/0/versions/1",
    "submission": "/datanets/0/submissions/0",
    "upload": "/datanets/0/upload",
    "review": "/datanets/0/review",
    "models": "/models",
    "new-model": "/models/new",
    "compare": "/models/compare",
    "model": "/models/{model}",
    "job": "/jobs/{job}",
    "chat": "/chat",
    "attribution": "/attribution",
    "earnings": "/earnings",
    "wallet": "/wallet",
    "governance": "/governance",
    "proposal": "/governance/new",
    "parameters": "/governance/parameters",
    "parameter": "/governance/new?parameter=Fees.shares",
    "disputes": "/disputes",
    "validators": "/validators",
    "blocks": "/blocks",
    "block": "/blocks/5",
    "extrinsics": "/extrinsics",
    "accounts": "/accounts",
    "pallets": "/pallets",
    "pallet": "/pallets/Balances?call=transfer",
    "storage": "/pallets/Balances/accounts",
    "search": "/search?q=os",
}
CLIPPED = """() => {
  const found = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width + 1) found.push("the page scrolls sideways");
  for (const element of document.querySelectorAll("main *, header *")) {
    if (element.closest(".table-box, .sr-only, svg, caption, thead, pre")) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    if (box.right > width + 1 || box.left < -1)
      found.push(`${element.tagName}.${element.className}: ${box.left} to ${box.right}`);
  }
  const buttons = [...document.querySelectorAll("main button, main a.account")];
  const boxes = buttons.map((each) => each.getBoundingClientRect()).filter((box) => box.width);
  boxes.forEach((a, place) => boxes.slice(place + 1).forEach((b) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const inside = (x, y) => x.left >= y.left - 1 && x.right <= y.right + 1;
    if (wide > 2 && high > 2 && !inside(a, b) && !inside(b, a)) found.push("two controls overlap");
  }));
  return found.slice(0, 8);
}"""


def serious_violations(page: Page) -> list[str]:
    """What axe finds that keeps people from using a page."""
    result: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in result["violations"]
        if each["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("width", [420, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_right_and_is_accessible(
    learned: RunningStudio, browser: Browser, name: str, width: int
):
    """Nothing is clipped or overlaps, axe finds nothing serious, nothing comes from elsewhere."""
    context = browser.new_context(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    elsewhere = watched(context)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(learned.url + PAGES[name].format(**learned.lesson))
    page.wait_for_selector("main h1")
    expect(page.locator(".head-state")).to_contain_text("block")
    page.evaluate("document.fonts.ready")
    page.add_script_tag(content=AXE.read_text())
    PICTURES.mkdir(parents=True, exist_ok=True)
    for ground in ("light", "dark"):
        page.emulate_media(color_scheme=ground)
        page.wait_for_selector("body.body--dark" if ground == "dark" else "body.body--light")
        page.screenshot(path=PICTURES / f"{name}-{width}-{ground}.png", full_page=True)
        assert page.evaluate(CLIPPED) == []
        assert serious_violations(page) == []
    assert faults == []
    assert elsewhere == []
    context.close()
