"""The page in real headless Chromium with the network cut off. Needs Debian's chromium and chromium-driver."""

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pandas as pd
import pytest

from sedlib.report.metrics.all_metrics import metrics
from sedlib.report.metrics.tidy import tidy
from sedlib.report.page import html
from sedlib.report.page.writing import write_report
from sedlib.report.tabled.paper_tables import tables
from tests.report.made_up import collection
from tests.toy import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="looks at the page in a browser: needs chromium, chromium-driver",
    ),
]
CHARTS = {"coupling", "accuracy", "ladder", "interventions", "rank_curve", "rank90", "restricted_loss", "defect"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of made-up results."""
    folder = tmp_path_factory.mktemp("report")
    write_report(collection(folder / "results"), folder / "reports")
    return folder / "reports" / "index.html"


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser puts what is saved."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[Any]:
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
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: Any, page: Path) -> Iterator[Any]:
    """The page as it is when it was just opened; whatever a test does, the console shows no error."""
    driver.set_window_size(1200, 1000)
    opened(driver, page)
    yield driver
    assert complaints(driver) == []


def opened(driver: Any, page: Path) -> None:
    """Show a page and wait for its charts."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(page.as_uri())
    WebDriverWait(driver, 60).until(
        lambda shown: len(shown.find_elements("css selector", ".chart[data-drawn] svg")) == len(CHARTS)
    )


def complaints(driver: Any) -> list[str]:
    """What the console says of errors, and of what the page's policy stopped."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


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


def choose(browser: Any, chart: str, choice: str, value: str) -> None:
    """Choose in the input of a chart that has this name."""
    from selenium.webdriver.support.ui import Select

    labels = browser.find_elements("css selector", f"#{chart} .vega-bindings .vega-bind")
    label = next(label for label in labels if label.text.startswith(choice))
    Select(label.find_element("tag name", "select")).select_by_visible_text(value)
    settle(browser)


def test_a_chart_begins_with_few_series_and_can_show_all(browser: Any) -> None:
    assert not browser.find_elements("css selector", ".vega-bindings input[type=checkbox]")
    before = points(browser, "coupling")
    choose(browser, "coupling", "show", "everything")
    assert points(browser, "coupling") > before > 0
    choose(browser, "coupling", "show", "gradient and update")
    assert points(browser, "coupling") == before


def test_the_runs_of_an_experiment_lie_over_one_another_with_their_grok_steps(browser: Any) -> None:
    rules = "return document.querySelectorAll('#accuracy .mark-rule.role-mark line').length"
    lines = "return document.querySelectorAll('#accuracy .mark-line.role-mark path').length"
    assert script(browser, rules) == 3
    assert script(browser, lines) == 2 * 3  # of three seeds training and held-out pairs
    assert script(browser, "return document.querySelectorAll('#defect .mark-area.role-mark path').length") == 3


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

    choose(browser, "coupling", "show", "everything")
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
    script(browser, "document.querySelector('#table-rank-curve').closest('details').open = true")
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


def test_each_chart_offers_its_table(browser: Any, page: Path, downloads: Path) -> None:
    script(browser, "document.querySelector('#coupling a.table').click()")
    until((downloads / "coupling.csv").exists, "the table is saved")
    saved, written = pd.read_csv(downloads / "coupling.csv"), pd.read_csv(page.parent / "data/coupling.csv")
    pd.testing.assert_frame_equal(saved, written, check_exact=True, check_dtype=False)


def test_it_can_be_read_in_a_narrow_window(browser: Any) -> None:
    browser.set_window_size(420, 900)
    settle(browser)
    assert script(browser, "return document.documentElement.scrollWidth <= window.innerWidth")


def test_the_rules_of_the_verdicts_can_be_unfolded(browser: Any) -> None:
    rules = browser.find_element("css selector", "#verdicts")
    assert not rules.find_element("css selector", "dl").is_displayed()
    rules.find_element("css selector", "summary").click()
    assert "contradicted" in rules.find_element("css selector", "dl").text
    assert "directions" in rules.find_element("css selector", "#table-rules").text


def test_a_claim_opens_into_its_numbers_its_rule_and_its_figure(browser: Any) -> None:
    claim = browser.find_element("id", "claim-gradient-peak")
    assert not claim.find_element("tag name", "dl").is_displayed()
    claim.find_element("tag name", "summary").click()
    settle(browser)
    text = claim.find_element("tag name", "dl").text
    assert "dvc repro figures" in text
    assert "the weakest verdict on its operations" in text
    assert [cell.text for cell in claim.find_elements("css selector", "tbody tr:first-child > *")] == [
        *("add", "text", "110–330", "84 [42, 126]", "3")
    ]
    assert script(browser, "return document.querySelector('#claim-gradient-peak img').naturalWidth") > 100
    claim.find_element("css selector", "a[href^='#table']").click()
    settle(browser)
    assert browser.find_element("id", "table-table1-single-task").is_displayed()


def test_claims_can_be_shown_by_their_verdict(browser: Any) -> None:
    shown = "return [...document.querySelectorAll('details.claim:not([hidden])')].map(claim => claim.dataset.verdict)"
    everything = script(browser, shown)
    button = browser.find_element("css selector", ".count[data-verdict=contradicted]")
    assert button.text == f"{everything.count('contradicted')} contradicted"
    button.click()
    assert script(browser, shown) == ["contradicted"] * everything.count("contradicted")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert script(browser, shown) == everything


def test_on_paper_every_claim_is_open(browser: Any) -> None:
    browser.execute_cdp_cmd("Page.printToPDF", {})
    opened = "return document.querySelectorAll('details.claim[data-printed]').length"
    assert script(browser, opened) == len(browser.find_elements("css selector", "details.claim"))
    assert not browser.find_elements("css selector", "details.claim[open]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_a_reader_out(browser: Any, scheme: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    script(browser, "for (const closed of document.querySelectorAll('details')) closed.open = true")
    settle(browser)
    script(browser, (Path(axe_core_python.__file__).parent / "axe.min.js").read_text())
    browser.set_script_timeout(120)
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(found => done(found.violations))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in found] == []


HOSTILE = (
    "</SCRIPT><script>canary()</script>",
    "<img src=x onerror=canary()><svg onload=canary()>",
    "\"' onmouseover='canary()' onfocus=\"canary()\" autofocus tabindex=1 x='",
    "<!--<script>canary();//",
    "\\'+canary()+'\u2028canary()\\",
    "</textarea></style></title><iframe srcdoc='<script>parent.canary()</script>'>",
    "{{ canary() }} ${canary()} javascript:canary()",
)


def hostile(text: object) -> str:
    """A text that is markup or code of some kind wherever it stands unescaped; another kind for another text."""
    return f"{text}{HOSTILE[zlib.crc32(str(text).encode()) % len(HOSTILE)]}"


def poisoned(table: pd.DataFrame, headings: Callable[[object], str] = str) -> pd.DataFrame:
    """The table, each text in it, and where asked for each heading, hostile."""
    changed = {name: values.map(hostile) for name, values in table.select_dtypes(exclude="number").items()}
    return table.assign(**{str(name): values for name, values in changed.items()}).rename(columns=headings)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page on which every word from outside is hostile, and many of the report's own."""
    numbers = metrics(found := collection(tmp_path_factory.mktemp("hostile")))
    data = {name: poisoned(table) for name, table in tidy(found).items()}
    built = {name: poisoned(table, hostile) for name, table in tables(numbers).items()}
    foot = {hostile(name): "".join(HOSTILE) for name in ("parameters", "packages")}
    missing = {hostile(name): hostile(command) for name, command in found.missing.items()}
    return html.page(html.Content(numbers, Path("nowhere"), built, data, missing, foot))


def test_no_word_on_the_page_becomes_markup_or_code(driver: Any, written: str, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(written)
    driver.set_window_size(1200, 1000)
    opened(driver, path)
    for element, there in {"script": len(CHARTS) + 3, "img": 0, "iframe": 0, "style": 1, "h1": 1}.items():
        assert len(driver.find_elements("css selector", element)) == there, element
    attributes = "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
    assert script(driver, f"return {attributes}.filter(name => name.startsWith('on') || name === 'autofocus')") == []
    text = script(driver, "return document.body.textContent")
    assert all(word in text for word in HOSTILE)
    choices = script(driver, "return document.querySelector('#accuracy .vega-bindings select').textContent")
    assert any(word in choices for word in HOSTILE)
    second = "const s = document.querySelector('#accuracy .vega-bindings select'); s.selectedIndex = 1;"
    script(driver, f"{second} s.dispatchEvent(new Event('change'))")
    settle(driver)
    assert points(driver, "accuracy") > 0
    assert complaints(driver) == []


def test_a_script_that_somebody_adds_to_the_page_does_not_run(driver: Any, written: str, tmp_path: Path) -> None:
    """What would run if a word were not escaped: the page's policy is a second wall."""
    path = tmp_path / "index.html"
    added = (
        "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'><a href='javascript:window.ran = 3'>a</a>"
        "<style>h1 { display: none }</style><script src='data:text/javascript,window.ran=4'></script>"
        "<iframe srcdoc='<script>parent.ran = 5</script>'></iframe><img src='https://example.org/x.png'>"
        "<base href='https://example.org'><form action='https://example.org'><button>b</button></form>"
    )
    path.write_text(written.replace("<h1>", f"{added}<h1>"))
    opened(driver, path)
    script(driver, "document.querySelector('a[href^=javascript]').click(); document.querySelector('form').submit()")
    settle(driver)
    assert script(driver, "return window.ran") is None
    assert script(driver, "return document.baseURI").startswith("file:")
    assert driver.find_element("css selector", "h1").is_displayed()
    refused = "\n".join(complaints(driver))
    for directive in ("script-src", "style-src", "img-src", "base-uri", "form-action"):
        assert directive in refused, refused
