//! Which browser a client says it is.

/// What tells a browser, and its name. Those that are built on another one come before it.
const BROWSERS: [(&str, &str); 15] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// What tells the system that a browser runs on, and its name. Those that are called like another one too come before it.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
];

/// The family of a browser and of its system, as "Firefox on Linux"; nothing for other programs. Only the names above come of it,
/// whatever a client says: it is part of emails.
pub(super) fn family(user_agent: &str) -> Option<String> {
    let find = |names: &[(&str, &'static str)]| {
        let mut names = names.iter();
        let found = names.find(|(mark, _)| user_agent.contains(mark));
        found.map(|(_, name)| *name)
    };
    let browser = find(&BROWSERS)?;
    Some(match find(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_browser_is_named_by_its_family_and_nothing_else_is() {
        let webkit = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
        let blink = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0";
        for (user_agent, family) in [
            ("", None),
            ("curl/8.14.1", None),
            ("Mozilla/5.0 (compatible; Mailer <b>)", None),
            ("okhttp/5.1.0", None),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                Some("Firefox on Linux"),
            ),
            (
                &format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {blink} Safari/537.36"),
                Some("Chrome on Windows"),
            ),
            (
                &format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {blink} Safari/537.36 Edg/142.0.0.0"
                ),
                Some("Edge on Windows"),
            ),
            (
                &format!(
                    "Mozilla/5.0 (Linux; Android 10; K) {blink} Mobile Safari/537.36 OPR/92.0.0.0"
                ),
                Some("Opera on Android"),
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) {webkit} Version/26.0 Mobile/15E148 Safari/604.1"
                ),
                Some("Safari on iPhone"),
            ),
            (
                &format!(
                    "Mozilla/5.0 (iPad; CPU OS 18_7 like Mac OS X) {webkit} FxiOS/145.0 Mobile/15E148 Safari/604.1"
                ),
                Some("Firefox on iPad"),
            ),
            (
                &format!(
                    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {webkit} Version/26.0 Safari/605.1.15"
                ),
                Some("Safari on Mac"),
            ),
            ("Firefox/145.0 https://evil.example", Some("Firefox")),
        ] {
            assert_eq!(super::family(user_agent).as_deref(), family, "{user_agent}");
        }
    }
}
