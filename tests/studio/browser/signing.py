"""What tests do with the dialog that comes before every signature."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def act_as(page: Page, url: str, name: str) -> None:
    """Choose the key to sign with, as a person does on the page Wallet."""
    page.goto(f"{url}/wallet")
    page.get_by_label("Act as").click()
    page.get_by_role("option", name=name, exact=True).click()
    expect(page.get_by_text(f"Acting as {name} from now on.")).to_be_visible()


def sign(page: Page) -> None:
    """Read the preview, and sign what would succeed."""
    dialog = page.get_by_role("dialog").last
    expect(dialog.get_by_text("It would succeed.")).to_be_visible()
    dialog.get_by_role("button", name="Sign and send").click()
