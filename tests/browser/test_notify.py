"""Messages in the browser: a mail server, a way to be told, nights, what fails and is sent again, the letter."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import walk
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.looks import shoot
from tests.component.notify import mail_server
from tests.component.notify.mail_server import Post, accepts, certificate

pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # aiosmtpd leaves sockets to the collector
]
PAGE = "/plugins/notify/"


class Provider:
    """A mail provider on this machine: STARTTLS, a password, and it can be away."""

    def __init__(self, folder: Path) -> None:
        self.context, self.certificate = certificate(folder)
        self.box, self.port = Post(), mail_server.free_port()
        self.come()

    def come(self) -> None:
        """Be there."""
        self.running = mail_server.run(
            self.box,
            self.port,
            tls_context=self.context,
            require_starttls=True,
            authenticator=accepts("station", "app password"),
            auth_required=True,
        )

    def go(self) -> None:
        """Be away."""
        self.running.stop()


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    """One that is there at first."""
    made = Provider(tmp_path)
    yield made
    made.go()


def enter_server(page: Page, provider: Provider) -> None:
    page.get_by_label("Server (SMTP)").fill("127.0.0.1")
    page.get_by_label("Port", exact=True).fill(str(provider.port))
    page.get_by_label("Encryption").select_option("starttls")
    page.get_by_label("User name").fill("station")
    page.get_by_label("Password").fill("app password")
    page.get_by_label("The station’s own address").fill("station@example.org")
    page.get_by_text("Its certificate is its own").click()
    page.get_by_label("Certificate to trust").fill(provider.certificate)
    page.locator("form", has=page.locator("#host")).get_by_role("button", name="Save").click()


def card(page: Page) -> Locator:
    return page.get_by_role("region", name="anna@example.org")


def look(page: Page, serious: Callable[[Page], list[str]], name: str) -> None:
    """By axe and, where somebody wants to, by eye."""
    for size in (PHONE, DESKTOP):
        page.set_viewport_size(size)
        assert serious(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    shoot(page, name)


def test_from_nothing_to_a_message_that_arrives_and_one_that_does_not(
    admin: Page, provider: Provider, serious: Callable[[Page], list[str]]
) -> None:
    admin.goto("/account")
    admin.get_by_role("link", name="Choose how to be told").click()
    expect(admin.get_by_text("You are not told anything yet")).to_be_visible()
    admin.get_by_role("link", name="E-mail").click()
    admin.get_by_role("link", name="Enter the mail server").click()
    admin.get_by_role("link", name="Gmail").click()
    expect(admin.get_by_label("Server (SMTP)")).to_have_value("smtp.gmail.com")
    expect(admin.get_by_text("not your usual one")).to_be_visible()
    look(admin, serious, "provider")
    enter_server(admin, provider)
    admin.get_by_role("link", name="Try it: add your e-mail address").click()
    admin.get_by_label("E-mail address").fill("no address")
    admin.get_by_role("button", name="Save and send a test message").click()
    expect(admin.get_by_role("alert")).to_be_focused()
    look(admin, serious, "problem")
    admin.get_by_label("E-mail address").fill("anna@example.org")
    admin.get_by_role("button", name="Save and send a test message").click()
    expect(card(admin).get_by_text("The last message was delivered")).to_be_visible(timeout=walk.SLOW)
    assert [kept.rcpt_tos for kept in provider.box.mails] == [["anna@example.org"]]
    assert b"Messages from your station arrive here." in provider.box.mails[0].content
    look(admin, serious, "delivered")

    provider.go()
    card(admin).get_by_role("button", name="Send a test message").click()
    expect(card(admin).get_by_text("127.0.0.1 cannot be reached.")).to_be_visible(timeout=walk.SLOW)
    expect(admin.get_by_text("not delivered yet")).to_be_visible()
    look(admin, serious, "failed")
    provider.come()
    admin.get_by_role("button", name="Send “A test message from your station” again").click()
    expect(admin.get_by_text("It is tried again now.")).to_be_visible()
    expect(card(admin).get_by_text("The last message was delivered")).to_be_visible(timeout=walk.SLOW)
    assert len(provider.box.mails) == 2

    admin.get_by_label("Night begins").fill("23:15")
    admin.get_by_label("Night ends").fill("06:30")
    admin.get_by_label("Remind me of what is still so").select_option("14")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_text("Saved.")).to_be_visible()
    expect(admin.get_by_label("Night begins")).to_have_value("23:15")
    card(admin).get_by_role("link", name="Change").click()
    admin.get_by_label("Only when memories are at risk").check()
    look(admin, serious, "rules")
    admin.get_by_role("button", name="Save and send a test message").click()
    expect(card(admin).get_by_text("Only when memories are at risk")).to_be_visible()

    admin.get_by_role("link", name="Monthly letter").click()
    expect(admin.get_by_text("This is what it says today:")).to_be_visible()
    expect(admin.get_by_role("article").get_by_text("HOT-1 (The blue drive) is new.")).to_be_visible()
    look(admin, serious, "letter")
    before = len(provider.box.mails)
    admin.get_by_role("button", name="Send it to me now").click()
    expect(admin.get_by_text("The letter is on its way.")).to_be_visible()
    letters = admin.get_by_role("listitem").filter(has_text="onthly letter")
    expect(letters.get_by_text("delivered")).to_be_visible(timeout=walk.SLOW)
    assert any(b"HOT-1 (The blue drive) is new." in kept.content for kept in provider.box.mails[before:])

    card(admin).get_by_role("button", name="Remove").click()
    expect(admin.get_by_text("Removed. Nothing more is sent there.")).to_be_visible()
    admin.goto(f"{PAGE}station")
    admin.get_by_role("button", name="Send no mail any more").click()
    expect(admin.get_by_text("Saved.")).to_be_visible()
    assert provider.certificate not in admin.content()


def test_a_member_chooses_for_themselves_and_reaches_only_outside(
    member: Page, serious: Callable[[Page], list[str]]
) -> None:
    member.goto(PAGE)
    expect(member.get_by_role("link", name="For the whole station")).to_have_count(0)
    expect(member.get_by_role("link", name="Webhook")).to_have_count(0)
    member.get_by_role("link", name="ntfy").click()
    member.get_by_label("Server", exact=True).fill("http://192.168.1.1")
    member.get_by_label("Topic").fill("our-topic")
    member.get_by_role("button", name="Save and send a test message").click()
    expect(member.get_by_role("alert")).to_contain_text("This is a place in the home network.")
    look(member, serious, "member")
    assert member.request.get(f"{PAGE}station").status == 403
