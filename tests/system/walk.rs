//! The minute after the page: somebody opens the web view of the demo in Chromium, finds what
//! moved, says that they look after it, and reads in the journal that they said so.
//!
//! On the way each page is seen on a phone and on a desk, light and dark: nothing sticks out of it,
//! the console is silent, and what has the focus can be seen.

use serde_json::Value;

use crate::browser::{Browser, Look};
use crate::driftd::PATIENCE;
use crate::http;
use crate::monitoring::Process;
use crate::poll::poll_until;

/// The token that the demo names.
const TOKEN: &str = "drift-demo-operator";

const REASON: &str = "the new merchant, <b>see</b> \"ticket 12\" & co";

const LOOKS: [Look; 4] = [
    Look {
        width: 390,
        scheme: "light",
    },
    Look {
        width: 390,
        scheme: "dark",
    },
    Look {
        width: 1280,
        scheme: "dark",
    },
    Look {
        width: 1280,
        scheme: "light",
    },
];

#[test]
fn who_was_paged_finds_what_moved_and_says_so() {
    let demo = Process::demo();
    let browser = Browser::start();
    let base = format!("http://{}", demo.address);
    browser.open(&base);
    // some minutes before it is critical it is said to be worth knowing
    until_text(&browser, "critical");
    until_text(&browser, "amount moved up");
    seen(&browser, "the fleet");

    browser.click("table a[href='/models/fraud/versions/7']");
    assert_eq!(browser.path(), "/models/fraud/versions/7");
    browser.click("nav.switch a[href$='window=1h']");
    seen(&browser, "a model");
    check_scores(&browser, &demo);

    browser.click("table.series a[href*='/series/amount?']");
    assert!(browser.path().contains("/series/amount?window=1h"));
    assert!(
        browser.text().contains("amount moved up by"),
        "{}",
        browser.text()
    );
    seen(&browser, "a series");

    browser.click("#alerts ~ ul a.say");
    assert!(browser.path().starts_with("/alerts/"));
    seen(&browser, "an alert");
    acknowledge(&browser);

    browser.click("header a[href='/journal']");
    seen(&browser, "the journal");
    let said = format!("demo: {REASON}");
    assert!(browser.text().contains(&said), "{}", browser.text());
    let read = browser.run("return document.querySelectorAll('ol.journal b').length");
    assert_eq!(read, 0, "what somebody wrote was read as HTML");

    browser.click("header a[href='/status']");
    assert!(browser.text().contains("inference"), "{}", browser.text());
    seen(&browser, "the status");
    browser.click("header a[href='/alerts']");
    assert!(
        browser.text().contains("acknowledged by demo"),
        "{}",
        browser.text()
    );
    seen(&browser, "the alerts");
    browser.click("header button.plain");
    assert!(browser.text().contains("Sign in"), "{}", browser.text());
}

/// Loads the page again until it says something.
fn until_text(browser: &Browser, text: &str) {
    let found = poll_until(PATIENCE, || {
        browser.refresh();
        browser.text().contains(text).then_some(())
    });
    assert!(found.is_some(), "never `{text}` in {}", browser.text());
}

/// Signs in on the way, comes back, and says who looks after the alert.
fn acknowledge(browser: &Browser) {
    let alert = browser.path();
    browser.click("main a[href^='/sign-in']");
    seen(browser, "signing in");
    browser.type_into("input[name=token]", "not-the-token-at-all");
    browser.click("main button");
    assert!(
        browser.text().contains("There is no such token"),
        "{}",
        browser.text()
    );
    browser.type_into("input[name=token]", TOKEN);
    browser.click("main button");
    assert_eq!(browser.path(), alert);
    seen(browser, "what can be done");
    browser.type_into("form[action$='/acknowledge'] input[name=reason]", REASON);
    browser.click("form[action$='/acknowledge'] button");
    assert!(browser.path().starts_with(&alert), "{}", browser.path());
    let text = browser.text();
    let said = "Acknowledged by demo at ";
    assert!(text.contains(said) && text.contains(REASON), "{text}");
}

/// Each number of the list is that of the same page as JSON. Rows come meanwhile: a page that was
/// overtaken is asked for again.
fn check_scores(browser: &Browser, demo: &Process) {
    let mut wrong = Vec::new();
    let found = poll_until(PATIENCE, || {
        wrong = wrong_scores(browser, demo);
        if !wrong.is_empty() {
            browser.refresh();
        }
        wrong.is_empty().then_some(())
    });
    assert!(found.is_some(), "{wrong:#?}");
}

/// The numbers of the list that are not those of the same page as JSON.
fn wrong_scores(browser: &Browser, demo: &Process) -> Vec<String> {
    let shown = browser.run(
        "return [...document.querySelectorAll('table.series tbody tr')].map(row => \
         [row.querySelector('th a').innerText, row.querySelector('td.num').innerText])",
    );
    let json = browser.run("return document.querySelector('footer a').getAttribute('href')");
    let json = json.as_str().expect("the page is there as JSON");
    let answer = http::get(demo.address, json).expect("it answers");
    let answer: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    let rows = shown.as_array().expect("there are rows");
    assert!(rows.len() >= 6, "{shown:#}");
    let wrong = rows.iter().filter_map(|row| {
        let scores = answer["scores"].as_array().expect("there are scores");
        let score = scores.iter().find(|score| score["series"] == row[0]);
        let score = score.unwrap_or_else(|| panic!("no {row} in {answer:#}"));
        let expected = score["scores"]["psi_adjusted"].as_f64().expect("a score");
        let psi = row[1].as_str().unwrap_or_default();
        let psi: f64 = psi
            .trim_start_matches(['<', '\u{2009}'])
            .parse()
            .expect("a number");
        let is_right = (psi - expected).abs() <= 0.001;
        (!is_right).then(|| format!("{row} is {expected}"))
    });
    wrong.collect()
}

/// A page on each screen: nothing sticks out, the console is silent, and the focus can be seen.
fn seen(browser: &Browser, page: &str) {
    for look in LOOKS {
        browser.look(look);
        let widths = browser.run(WIDTHS);
        let (wide, window) = (widths[0].as_f64(), widths[1].as_f64());
        assert!(wide <= window, "{page} is too wide in {look:?}: {widths:#}");
        assert_eq!(window, Some(f64::from(look.width)), "{page} in {look:?}");
        assert_eq!(widths[2], Value::Array(Vec::new()), "{page} in {look:?}");
        let faint = browser.run(CONTRAST);
        assert_eq!(
            faint,
            Value::Array(Vec::new()),
            "{page} in {look:?} has faint texts"
        );
    }
    browser.run("document.activeElement.blur()");
    let mut focused = 0;
    for _ in 0..4 {
        browser.tab();
        let outline = browser.run(
            "const style = getComputedStyle(document.activeElement); \
             if (document.activeElement === document.body) return null; \
             return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2",
        );
        // behind the last one the page itself has it
        if outline != Value::Null {
            assert_eq!(
                outline, true,
                "{page}: what has the focus is not to be seen"
            );
            focused += 1;
        }
    }
    assert!(
        focused >= 2,
        "{page}: {focused} elements have the focus in turn"
    );
    let unnamed = browser.run(
        "return [...document.querySelectorAll('input:not([type=hidden]), select, [role=img]')] \
         .filter(one => !(one.labels?.length || one.getAttribute('aria-label'))) \
         .map(one => one.outerHTML)",
    );
    assert_eq!(
        unnamed,
        Value::Array(Vec::new()),
        "{page} has what nobody names"
    );
    let console = browser.console();
    assert!(console.is_empty(), "{page}: {console:#?}");
}

/// How wide the page is, the window, and what lies outside of it.
const WIDTHS: &str = "
const out = one => one.getBoundingClientRect().right > innerWidth + 1;
const all = [...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll, svg'));
const outside = all.filter(out).map(one => one.outerHTML);
return [document.documentElement.scrollWidth, innerWidth, outside];
";

/// Texts whose contrast to what is behind them is below that of WCAG 2, level AA.
const CONTRAST: &str = "
const parse = color => (color.match(/[\\d.]+/g) ?? []).map(Number);
const light = rgb => rgb.slice(0, 3).map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const behind = one => {
  for (; one; one = one.parentElement) {
    const color = parse(getComputedStyle(one).backgroundColor);
    if (color.length === 3 || color[3] === 1) return color;
  }
  return [255, 255, 255];
};
const faint = [];
for (const one of document.querySelectorAll('body *')) {
  const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
  if (!own || !one.getClientRects().length || one.tagName === 'title') continue;
  const style = getComputedStyle(one);
  const color = parse(one.closest('svg') ? style.fill : style.color);
  const [a, b] = [light(color), light(behind(one))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) faint.push(ratio.toFixed(2) + ' ' + one.outerHTML.slice(0, 200));
}
return faint;
";
