"""The page in real headless Chromium with the network cut off. Needs Debian's chromium and chromium-driver."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sedlib.report.page.writing import write_report
from tests.report.made_up import collection

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="looks at the page in a browser: needs chromium, chromium-driver",
)
CHARTS = {"coupling", "accuracy", "ladder", "interventions", "rank_curve", "rank90", "restricted_loss", "defect"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up results."""
    folder = tmp_path_factory.mktemp("report")
    write_report(collection(folder / "results"), folder / "reports")
    return folder / "reports" / "index.html"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser without a network."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--proxy-server=127.0.0.1:9",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: Any, page: Path) -> Iterator[Any]:
    """The page as it is when it was just opened; whatever a test does, the console shows no error."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.set_window_size(1200, 1000)
    driver.get(page.as_uri())
    WebDriverWait(driver, 60).until(
        lambda shown: len(shown.find_elements("css selector", ".chart[data-drawn] svg")) == len(CHARTS)
    )
    yield driver
    assert [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def script(browser: Any, body: str) -> Any:
    return browser.execute_script(body)


def points(browser: Any, chart: str) -> int:
    """Marks that the chart shows."""
    return int(script(browser, f"return document.querySelectorAll('#{chart} .mark-symbol.role-mark path').length"))


def settle(browser: Any) -> None:
    browser.execute_async_script("const done = arguments[0]; setTimeout(done, 300);")


def test_every_chart_is_drawn_and_nothing_is_asked_of_a_network(browser: Any) -> None:
    ids = script(browser, "return [...document.querySelectorAll('.chart[data-drawn]')].map(c => c.parentNode.id)")
    assert set(ids) == CHARTS
    for chart in CHARTS:
        assert points(browser, chart) > 0, chart
    asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [event["params"] for event in asked if event["method"] == "Network.requestWillBeSent"]
    addresses = [request["request"]["url"] for request in requests if request["documentURL"].startswith("file:")]
    assert addresses
    assert all(address.startswith(("file:", "data:", "blob:")) for address in addresses), addresses


def test_a_stream_can_be_toggled(browser: Any) -> None:
    before = points(browser, "coupling")
    boxes = browser.find_elements("css selector", "#coupling .vega-bindings input[type=checkbox]")
    box = next(box for box in boxes if box.is_selected())
    box.click()
    settle(browser)
    assert 0 < points(browser, "coupling") < before
    box.click()
    settle(browser)
    assert points(browser, "coupling") == before


def test_another_run_can_be_chosen_with_the_keyboard(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    select = browser.find_elements("css selector", "#accuracy .vega-bindings select")[0]
    path = "return [...document.querySelectorAll('#accuracy .mark-line path')].map(p => p.getAttribute('d')).join()"
    before = script(browser, path)
    select.send_keys(Keys.ARROW_DOWN)
    settle(browser)
    assert script(browser, path) != before


def test_the_axis_switches_between_log_and_linear_and_choices_stay(browser: Any) -> None:
    from selenium.webdriver.support.ui import Select, WebDriverWait

    box = browser.find_elements("css selector", "#coupling .vega-bindings input[type=checkbox]:checked")[0]
    box.click()
    settle(browser)
    before = points(browser, "coupling")
    Select(browser.find_element("css selector", "#coupling select.scale")).select_by_value("linear")
    WebDriverWait(browser, 20).until(
        lambda shown: shown.find_element("css selector", "#coupling .chart").get_attribute("data-drawn") == "linear"
    )
    assert points(browser, "coupling") == before > 0


def test_hovering_shows_values(browser: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    chart = browser.find_element("css selector", "#accuracy .chart")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    settle(browser)
    mark = browser.find_elements("css selector", "#accuracy .mark-symbol.role-mark path")[7]
    ActionChains(browser).move_to_element(mark).perform()
    settle(browser)
    tooltip = browser.find_element("id", "vg-tooltip-element")
    assert "visible" in tooltip.get_attribute("class")
    assert "accuracy" in tooltip.text


def test_a_table_sorts_both_ways(browser: Any) -> None:
    rows = "#table-rank-curve tbody tr"
    cells = f"return [...document.querySelectorAll('{rows}')].map(row => row.children[1].textContent)"
    header = browser.find_elements("css selector", "#table-rank-curve th")[1]
    browser.execute_script("arguments[0].scrollIntoView()", header)
    values = []
    for direction in ("ascending", "descending"):
        header.find_element("tag name", "button").click()
        assert header.get_attribute("aria-sort") == direction
        values.append([float(text.replace(",", "")) for text in script(browser, cells)])
    assert values[0] == sorted(values[0])
    assert values[1] == sorted(values[0], reverse=True)
    assert values[0] != values[1]


def test_each_chart_offers_its_table(browser: Any) -> None:
    link = browser.find_element("css selector", "#coupling a.table")
    assert link.get_attribute("href").startswith("blob:")
    text = browser.execute_async_script(
        "const done = arguments[1]; fetch(arguments[0]).then(r => r.text()).then(done);", link.get_attribute("href")
    )
    assert text.splitlines()[0] == "op,stream,window,step,ratio,run"


def test_it_can_be_read_in_a_narrow_window(browser: Any) -> None:
    browser.set_window_size(420, 900)
    settle(browser)
    assert script(browser, "return document.documentElement.scrollWidth <= window.innerWidth")


def test_the_rules_of_the_verdicts_can_be_unfolded(browser: Any) -> None:
    rules = browser.find_element("css selector", "#rules")
    assert not rules.find_element("css selector", "dl").is_displayed()
    rules.find_element("css selector", "summary").click()
    assert "contradicted" in rules.find_element("css selector", "dl").text
    assert "directions" in rules.find_element("css selector", "#table-rules").text
