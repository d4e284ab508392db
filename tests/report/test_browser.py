"""The report as a reader meets it: in a browser, with a mouse, on a phone, in the dark and on paper."""

from __future__ import annotations

import json
from html import escape

import pandas as pd
import pytest
import yaml

import chromium
from lenity.report.evidence import gather
from lenity.report.page import write_page
from made_up import write_judge, write_sweep

HOSTILE = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'></script><b>rude</b>"
MARKUP = "<img src=x onerror='window.stolen = 3'><b>rude"  # what a folder from elsewhere may have in any name
METHODS = {"plc": 0.8, "linear": 0.6, "soups:exact": 0.3}
SHOWN = ".view:not([hidden]) "
# where a method's mark is on the screen, by what it says
MARK = """([selector, method, weights]) => {
  const plot = document.querySelector(selector), box = plot.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout;
  const trace = plot.data.find((one) => one.name === method && one.meta === "means");
  const place = trace.text.findIndex((text) => text.includes(`weights: ${weights}<br>`));
  const at = (axis, value) => axis._offset + axis.l2p(value);
  return { x: box.x + at(xaxis, trace.x[place]), y: box.y + at(yaxis, trace.y[place]) };
}"""


@pytest.fixture(scope="module")
def open_browser():
    with chromium.browser() as started:
        yield started


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Judged sweeps over two and three objectives; every response of one run attacks the page."""
    found = {}
    for names, points in (
        (("helpful", "harmless"), [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]),
        (("helpful", "harmless", "humorous"), [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1 / 3, 1 / 3, 1 / 3)]),
    ):  # fmt: skip
        folder = tmp_path_factory.mktemp("sweep")
        write_sweep(folder, names, [dict(zip(names, point, strict=True)) for point in points], METHODS)
        file = next((folder / "runs" / "plc").glob("*1*/evaluation.parquet"))
        frame = pd.read_parquet(file)
        frame["response"] = frame["response"].where(frame["policy"] == "reference", HOSTILE)
        frame.to_parquet(file)
        write_judge(folder, lambda method, objective: METHODS[method])
        weights = [dict(zip(names, point, strict=True)) for point in points]
        best = {
            "objectives": [f"{name}_exact" for name in names],
            "weights": weights,
            "at_weights": points,
            "front": points,
        }
        (folder / "best_front.json").write_text(json.dumps(best))
        write_page(gather(folder))
        found[len(names)] = folder
    long = tmp_path_factory.mktemp("long")
    names, points = ("helpful", "harmless"), [(1.0, 0.0), (0.0, 1.0)]
    methods = {f"{method}, learning_rate 1e-5, coefficient {i}_{'x' * 40}": 0.5 for i, method in enumerate(["plc"] * 6)}
    write_sweep(long, names, [dict(zip(names, point, strict=True)) for point in points], methods)
    write_page(gather(long))
    found["long"] = long
    found["hostile"] = write_hostile(tmp_path_factory.mktemp("hostile"))
    return found


def write_hostile(folder):
    """A judged sweep whose every name and text attacks the page."""
    names = (f"helpful{MARKUP}", f"harmless{MARKUP}")
    points = [dict(zip(names, point, strict=True)) for point in ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0))]
    write_sweep(folder, names, points, {f"plc{MARKUP}": 0.8, f"linear{MARKUP}": 0.6})
    for file in folder.rglob("evaluation.parquet"):
        frame = pd.read_parquet(file)
        frame["prompt"], frame["response"] = frame["prompt"] + HOSTILE, frame["response"] + HOSTILE
        frame.to_parquet(file)
        config = yaml.safe_load(file.with_name("config.yaml").read_text())
        config |= {
            "policy": {"model": HOSTILE},
            "rewards": {name: {"type": "model", "model": HOSTILE} for name in names},
        }
        file.with_name("config.yaml").write_text(yaml.safe_dump(config))
    write_judge(folder, lambda method, objective: 0.5)
    write_page(gather(folder), title=HOSTILE)
    return folder


@pytest.fixture
def visit(open_browser, folders):
    """Opens the report of a sweep; the page may fetch nothing and must not complain."""
    contexts, wrong = [], []

    def start(objectives=2, width=1280, height=900, **options):
        context = open_browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda sent: wrong.append(sent.url) if not sent.url.startswith(("file:", "data:", "blob:")) else None)  # fmt: skip
        page.goto((folders[objectives] / "report.html").as_uri())
        page.locator(SHOWN + ".plot").first.scroll_into_view_if_needed()
        page.wait_for_selector(SHOWN + ".plot[data-drawn] .main-svg")
        return page

    yield start
    for context in contexts:
        context.close()
    assert not wrong


def first_front(page):
    return SHOWN + f'.plot[data-figure="{page.locator(SHOWN + ".plot").first.get_attribute("data-figure")}"]'


def test_hovering_over_a_mark_shows_weights_and_rewards(visit):
    page = visit()
    mark = page.evaluate(MARK, [first_front(page), "linear", "helpful 1"])
    page.mouse.move(mark["x"], mark["y"])
    page.wait_for_selector(".hovertext")
    text = page.locator(".hovertext").first.text_content()
    assert "linear" in text and "weights: helpful 1" in text
    assert "helpful: 0." in text and "harmless: " in text and text.count("[") == 2, "each with its interval"


def test_choosing_a_mark_shows_its_rewards_and_responses(visit, folders):
    page = visit()
    mark = page.evaluate(MARK, [first_front(page), "soups:exact", "helpful 1"])
    page.mouse.click(mark["x"], mark["y"])
    page.wait_for_function("document.querySelector('#point').selectedOptions[0].text.startsWith('soups:exact')")
    assert page.locator("#point option:checked").text_content() == "soups:exact · helpful 1"
    frame = pd.read_parquet(next((folders[2] / "runs" / "soups:exact").glob("helpful1*/evaluation.parquet")))
    answers = page.locator("#answers").text_content()
    prompt = page.locator("#prompt option:checked").get_attribute("value")
    own = frame[frame["prompt_id"] == f"p{int(prompt):03}"].drop_duplicates("policy").set_index("policy")["response"]
    assert own["aligned"] in answers and own["reference"] in answers
    page.select_option("#prompt", index=1)
    assert own["aligned"] not in page.locator("#answers").text_content()
    assert "helpful" in page.locator("#means").text_content()


def test_responses_are_text_and_are_never_run(visit):
    page = visit()
    page.select_option("#point", label="plc · helpful 1")
    assert HOSTILE in page.locator("#answers").text_content()
    page.select_option("#case-weights select[data-role=method]", label="plc")
    assert HOSTILE in page.locator("#case-weights").text_content()
    assert page.evaluate("window.stolen") is None
    assert page.locator("#answers img, .answers img, .answers b").count() == 0


def test_no_name_or_text_of_a_hostile_folder_is_run(visit, folders):
    page = visit("hostile")
    mark = page.evaluate(MARK, [first_front(page), f"linear{MARKUP}", escape(f"helpful{MARKUP} 1")])
    page.mouse.move(mark["x"], mark["y"])
    page.wait_for_selector(".hovertext")
    page.mouse.click(mark["x"], mark["y"])
    for plot in page.locator(SHOWN + ".plot").all():
        plot.scroll_into_view_if_needed()
        page.wait_for_selector(SHOWN + f'.plot[data-figure="{plot.get_attribute("data-figure")}"][data-drawn]')
    for select in page.locator("select:visible").all():
        for place in range(select.locator("option").count()):
            select.select_option(index=place)
    assert HOSTILE in page.title() and HOSTILE in page.locator("#answers").text_content()
    assert MARKUP in page.locator("#fronts .legend").text_content() and MARKUP in page.locator("#budget").text_content()
    assert page.evaluate("window.stolen") is None
    assert page.locator("img[src=x], b, [onerror], script:not([nonce]):not([type])").count() == 0


def test_each_bar_is_the_value_of_its_table(visit):
    page = visit()
    page.locator("#metrics").scroll_into_view_if_needed()
    page.wait_for_selector("#metrics " + SHOWN + ".plot[data-drawn] .main-svg")
    rows = page.locator("#metrics " + SHOWN + "tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.children].map((cell) => cell.firstChild.textContent))"
    )
    bars = page.locator("#metrics " + SHOWN + "figure").evaluate_all(
        """(all) => all.map((one) => [one.querySelector("h4").textContent, FIGURES[one.querySelector(".plot").dataset.figure]
          .choices[0].data.filter((trace) => trace.type === "bar").flatMap((trace) => trace.x)])"""
    )
    assert len(bars) == len(rows) > 8
    for (measure, *cells), (title, values) in zip(rows, bars, strict=True):
        shown = [float(cell.split()[0].replace("−", "-")) for cell in cells]
        assert measure == title and values == pytest.approx(shown, abs=0.006), measure


def test_tabs_legend_and_parts_change_every_front(visit):
    page = visit()
    tabs = page.locator("#fronts [role=tab]")
    assert tabs.all_text_contents() == ["trained rewards", "held-out rewards", "judge"]
    tabs.nth(2).click()
    page.wait_for_selector('#fronts .view[data-view="judge"]:not([hidden]) .main-svg')
    assert page.locator('#metrics [role=tab][aria-selected="true"]').text_content() == "judge"
    tabs.nth(2).press("ArrowLeft")
    page.locator("#fronts .legend button", has_text="plc").click()
    hidden = "document.querySelector(%r).data.filter((one) => one.name === 'plc').every((one) => !one.visible)"
    assert page.evaluate(hidden % first_front(page))
    page.locator("#fronts .legend button", has_text="plc").click()
    assert not page.evaluate(hidden % first_front(page))


def test_three_objectives_stand_in_space_and_in_pairs(visit):
    page = visit(3)
    page.wait_for_function(
        "[...document.querySelectorAll('.view:not([hidden]) .plot')].some((one) => one.data && one.data[0].type === 'scatter3d')"
    )
    titles = page.locator("#fronts " + SHOWN + "figure h4").all_text_contents()
    assert titles == ["All three at once", "helpful × harmless", "helpful × humorous", "harmless × humorous"]


def test_long_names_leave_room_for_what_is_said_of_them(visit):
    """They stay at the left while a table is scrolled, so on a phone too some of the table must be beside them."""
    page = visit("long", width=390, height=800)
    widest = (
        "Math.max(...[...document.querySelectorAll('.wide tbody th')].map((one) => one.getBoundingClientRect().width))"
    )
    assert page.evaluate(widest) < 0.55 * 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    chart = "#metrics " + SHOWN + ".plot"
    page.locator(chart).first.scroll_into_view_if_needed()
    page.wait_for_selector(chart + "[data-drawn] .main-svg")
    bar = f"(() => {{ const plot = document.querySelector('{chart}'); return plot._fullLayout._size.w / plot.clientWidth; }})()"
    assert page.evaluate(bar) > 0.3
    page = visit("long")
    assert page.evaluate(
        "(() => { const one = document.querySelector('table.words').parentElement; return one.scrollWidth <= one.clientWidth; })()"
    )


@pytest.mark.parametrize("objectives", [2, 3])
def test_a_phone_needs_no_sideways_scrolling(visit, objectives):
    page = visit(objectives, width=375, height=740, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.evaluate(
        "[...document.querySelectorAll('section')].every((one) => one.getBoundingClientRect().right <= 376)"
    )


def test_the_dark_page_has_dark_ground_and_light_figures_text(visit):
    def seen(scheme):
        page = visit(color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor")
        words = page.locator(first_front(page) + " .xtick text").first.evaluate("(one) => getComputedStyle(one).fill")
        return [sum(map(int, colour[4:-1].split(","))) / 3 for colour in (ground, words)]

    (light_ground, light_words), (dark_ground, dark_words) = seen("light"), seen("dark")
    assert light_ground - light_words > 100 and dark_words - dark_ground > 100


def test_paper_shows_every_view_in_light_colours(visit):
    page = visit(color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("#fronts .view").evaluate_all("(all) => all.every((one) => one.offsetHeight > 0)")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator(".plot").evaluate_all(
        "(all) => all.every((one) => one.dataset.drawn || one.className === 'empty')"
    )


def test_a_page_stays_small_and_complete(folders):
    for folder in folders.values():
        page = (folder / "report.html").read_text()
        assert len(page.encode()) < 8_000_000
        assert "<script src" not in page and "<link" not in page and "@import" not in page
