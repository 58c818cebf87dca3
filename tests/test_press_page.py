"""The page on the screen, in a real browser."""

from itertools import product

import pytest

from conftest import fits, serious_faults


@pytest.fixture(scope="module")
def page(built):
    return built / "kerberos.html"


@pytest.fixture(scope="module")
def tab(page, offline):
    """The page, opened once."""
    return offline(page)


def test_it_fits_and_is_accessible(tab):
    for width, scheme in product((360, 1920), ("light", "dark")):
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        assert fits(tab, width)
        assert serious_faults(tab) == []
        paper = "getComputedStyle(document.body).backgroundColor"
        white = tab.evaluate(paper) == "rgb(255, 255, 255)"
        assert white == (scheme == "light")
    tab.emulate_media(media="print")
    assert tab.evaluate(paper) == "rgb(255, 255, 255)"
    assert not tab.locator("nav").is_visible()
    tab.emulate_media(media="screen")


def test_a_reference_shows_its_target_and_contents_follow(tab):
    tab.set_viewport_size({"width": 1200, "height": 700})
    tab.locator("a.ref[href='#eq-bound']").first.hover()
    assert tab.locator("#preview math").count() == 1
    tab.keyboard.press("Escape")
    assert tab.locator("#preview").count() == 0
    tab.locator("a.ref[href='#sec-proof']").first.focus()
    assert "The bound" in tab.locator("#preview").inner_text()
    tab.locator("#fig-cloud").scroll_into_view_if_needed()
    current = tab.locator("nav a[aria-current]")
    current.wait_for()
    assert "Figures" in current.inner_text()


def test_code_is_folded_copied_and_says_where_it_stands(tab):
    listing = tab.locator("details.code").first
    assert not listing.locator("pre").is_visible()
    listing.locator("summary").click()
    assert listing.locator("pre").is_visible()
    assert "report.qmd, lines" in listing.locator(".from a").inner_text()
    tab.evaluate(
        "navigator.clipboard.writeText = async (t) => { window.copied = t; }"
    )
    listing.locator("button.copy").click()
    copied = tab.evaluate("window.copied")
    assert copied.strip() == listing.locator("code").inner_text().strip()


def test_without_scripts_the_whole_text_stands_there(page, offline):
    tab = offline(page, java_script_enabled=False)
    assert tab.get_by_alt_text("A tall cloud.").is_visible()
    assert tab.locator("#thm-bound math").first.is_visible()
