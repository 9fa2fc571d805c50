#!/usr/bin/env python3
"""Opens pages of `report` in a headless browser and uses them: no console error, no request, tables that sort,
filter and page, a plot that shows a row on hover, light and dark, at 1,280 and at 390 pixels.

    python3 scripts/check_page.py results/mine/report.html

Needs Chromium or Chrome (`--browser PATH`); without one it says so and ends well.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ATTEMPTS = 3
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]

# Runs in the page after its own script; what it finds goes into an element that is dumped.
TEST = r"""
<pre id="checked" hidden></pre>
<script>
'use strict';
const found = { errors: [] };
const check = (holds, what) => { if (!holds) found.errors.push(what); };
const place = document.querySelector('[data-explore]') || document.querySelector('[data-table]');
if (place) {
  const rows = () => [...place.querySelectorAll('tbody tr')].map(row => [...row.children].map(cell => cell.title));
  const count = () => place.querySelector('.count').textContent;
  const { columns, rows: all } = tables[Number(place.dataset.table)];
  check(rows().length === Math.min(all.length, 100), 'shows the first rows');
  const numeric = columns.findIndex((_, at) => all.length > 1 && all.every(row => row[at] !== '' && !Number.isNaN(Number(row[at]))) && new Set(all.map(row => row[at])).size > 1);
  if (numeric >= 0) {
    const button = place.querySelectorAll('th button')[numeric];
    const values = () => rows().map(row => Number(row[numeric]));
    button.click();
    check(values().every((v, i, list) => i === 0 || list[i - 1] <= v), 'sorts rising');
    button.click();
    check(values().every((v, i, list) => i === 0 || list[i - 1] >= v), 'sorts falling');
    check(place.querySelectorAll('th')[numeric].getAttribute('aria-sort') === 'descending', 'says how it is sorted');
    const filter = place.querySelector('input[type=search]');
    const limit = values()[Math.floor(values().length / 2)];
    filter.value = `${columns[numeric]} < ${limit}`;
    filter.dispatchEvent(new Event('input'));
    const kept = all.filter(row => Number(row[numeric]) < limit).length;
    check(count() === `${kept} of ${all.length} rows`, `filters: ${count()} instead of ${kept}`);
    filter.value = 'no such words';
    filter.dispatchEvent(new Event('input'));
    check(rows().length === 0, 'filters everything');
    filter.value = '';
    filter.dispatchEvent(new Event('input'));
    check(count() === `${all.length} of ${all.length} rows`, 'shows all again');
  }
  const canvas = place.querySelector('canvas');
  if (canvas) {
    place.closest('details').open = true;
    const box = canvas.getBoundingClientRect();
    const tip = place.querySelector('.tip');
    let text = '';
    for (let x = 0; x < box.width && !text; x += 6) for (let y = 0; y < box.height && !text; y += 6) {
      canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + x, clientY: box.top + y }));
      if (!tip.hidden) text = tip.textContent;
    }
    check(text.includes(': '), 'shows a row on hover');
    found.hover = text.split('\n')[0];
  }
}
found.requests = performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith('data:')).length;
found.wide = document.documentElement.scrollWidth > window.innerWidth;
found.figures = document.querySelectorAll('svg.figure').length;
document.getElementById('checked').textContent = JSON.stringify(found);
</script>
"""


def load(browser, page, width, dark):
    """The page as the browser leaves it once all scripts have run, and what the browser says."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom",
                 f"--window-size={width},900",
                 # A profile of its own and none of the errands of a first start.
                 f"--user-data-dir={folder}/profile", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                 # Whatever asks for a host gets none.
                 "--host-resolver-rules=MAP * ~NOTFOUND"]
        if dark:
            flags.append("--blink-settings=preferredColorScheme=0")
        copy = Path(folder) / "page.html"
        copy.write_text(page.read_text(encoding="utf-8").replace("</body>", TEST + "</body>"), encoding="utf-8")
        try:
            ended = subprocess.run([browser, *flags, copy.as_uri()], capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "", "no answer in 120 s"
        return ended.stdout, f"exit status {ended.returncode}\n{ended.stderr}"


def use(browser, page, width, dark):
    """What the test found, and the console's errors."""
    # A browser that starts for the first time on a busy machine may come back with nothing, or with a page that it
    # has not run. That says nothing of the page, so it is asked again; a script that does not end never answers.
    for attempt in range(ATTEMPTS):
        text, said = load(browser, page, width, dark)
        told = re.search(r'<pre id="checked"[^>]*>(.*?)</pre>', text, re.S)
        console = [line for line in said.splitlines() if "CONSOLE" in line]
        answer = told.group(1).strip() if told else ""
        if console or answer:
            break
        words = [line for line in said.splitlines() if "dbus" not in line][-5:]
        print("\n  ".join([f"no answer from the browser ({attempt + 1} of {ATTEMPTS}), a page of {len(text)} "
                           "characters; it says:", *words]))
    if not answer:
        return None, console
    text = answer.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return json.loads(text), console


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="+", type=Path, help="files that report wrote")
    parser.add_argument("--browser", help="Chromium or Chrome [default: the first on the path]")
    flags = parser.parse_args()
    browser = flags.browser or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print("no Chromium or Chrome is installed: pages were not opened")
        return 0
    wrong = 0
    for page in flags.pages:
        for width, dark in [(1280, False), (1280, True), (390, False)]:
            found, console = use(browser, page, width, dark)
            faults = ["the script did not end"] if found is None else list(found["errors"])
            faults += console
            if found and found["requests"]:
                faults.append(f"{found['requests']} requests")
            if found and found["wide"]:
                faults.append("the page is wider than the window")
            look = f"{page} at {width} px, {'dark' if dark else 'light'}"
            print(f"{look}: {'; '.join(faults) or 'well'}"
                  + (f" ({found['figures']} figures, hover: {found.get('hover', 'no plot')})" if found else ""))
            wrong += len(faults)
    print("all pages are well" if wrong == 0 else f"{wrong} faults")
    return 0 if wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
