//! Webhooks: their names, where they lead and what signs them.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Url;

use crate::config::check::Checker;
use crate::config::check::problem::{Problem, know, shown};
use crate::config::load::read;
use crate::config::raw::{self, EVENTS, Hidden, SEVERITIES};
use crate::config::{Secret, Webhook};
use crate::statelog::record::{Delivered, WEBHOOK_NAME_BYTES_MAX};

impl Checker {
    /// Those without a problem: with one, nothing of the configuration is used.
    pub(super) fn webhooks(&mut self, raw: Vec<raw::Webhook>) -> Vec<Webhook> {
        let (mut webhooks, mut names) = (Vec::new(), BTreeSet::new());
        for (i, raw) in raw.into_iter().enumerate() {
            if !names.insert(raw.name.clone()) && !raw.name.is_empty() {
                let what = format!("{} is there twice", shown(&raw.name));
                self.report(Problem::new(format!("webhooks[{i}].name"), what));
            }
            webhooks.extend(self.webhook(i, raw));
        }
        webhooks
    }

    fn webhook(&mut self, i: usize, raw: raw::Webhook) -> Option<Webhook> {
        let key = |name: &str| format!("webhooks[{i}].{name}");
        if !Delivered::is_name(&raw.name) && !know(&self.problems, &key("name")) {
            let what = format!(
                "{} is not a name of at most {WEBHOOK_NAME_BYTES_MAX} letters, digits, `_` and `-`",
                shown(&raw.name)
            );
            self.report(Problem::new(key("name"), what));
        }
        self.globs(&key("models"), &raw.models);
        self.among(&key("severities"), &raw.severities, SEVERITIES);
        self.among(&key("events"), &raw.events, EVENTS);
        let url = self.receiver(&key("url"), &raw.url);
        let secret = self.secret(&key("secret"), raw.secret, raw.secret_file.as_deref());
        Some(Webhook {
            name: raw.name,
            url: url?,
            secret: secret?,
            models: raw.models,
            severities: raw.severities,
            events: raw.events,
        })
    }

    fn among(&mut self, key: &str, texts: &[String], known: &[&str]) {
        for text in texts.iter().filter(|text| !known.contains(&text.as_str())) {
            let what = format!("{} is not one of {}", shown(text), known.join(", "));
            self.report(Problem::new(key, what));
        }
    }

    /// Where a webhook leads. It may hold a secret and is not repeated.
    fn receiver(&mut self, key: &str, Hidden(url): &Hidden) -> Option<Url> {
        let parsed = Url::parse(url).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none() && !know(&self.problems, key) {
            self.report(Problem::new(key, "is not a URL with http:// or https://"));
        }
        parsed
    }

    fn secret(&mut self, key: &str, text: Option<Hidden>, file: Option<&str>) -> Option<Secret> {
        let of_file = format!("{key}_file");
        let (key, name, text) = match (text, file) {
            (Some(Hidden(text)), None) => (key, String::new(), text),
            (None, Some(file)) => match read(Path::new(file)) {
                Ok(text) => (&*of_file, format!("{} ", shown(file)), text),
                Err(what) => {
                    let what = format!("{} {what}", shown(file));
                    self.report(Problem::new(of_file, what));
                    return None;
                }
            },
            (None, None) => {
                if !know(&self.problems, key) && !know(&self.problems, &of_file) {
                    let hint = format!("or give {of_file}");
                    self.report(Problem::new(key, "is required").hint(hint));
                }
                return None;
            }
            (Some(_), Some(_)) => {
                let what = format!("there is {key} already");
                self.report(Problem::new(of_file, what).hint("give one of them"));
                return None;
            }
        };
        match Secret::new(text.trim_end()) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.report(Problem::new(key, format!("{name}{error}")));
                None
            }
        }
    }

    /// Where people find the web view, as links have it.
    pub(super) fn external_url(&mut self, url: Option<String>) -> Option<String> {
        let url = url?;
        let is_fit = |url: &Url| {
            let is_bare = url.username().is_empty() && url.password().is_none();
            let is_web = matches!(url.scheme(), "http" | "https");
            is_web && is_bare && url.query().is_none() && url.fragment().is_none()
        };
        if !Url::parse(&url).is_ok_and(|url| is_fit(&url)) {
            let what = "is not a URL with http:// or https://, without user, query and fragment";
            self.report(Problem::new("http.external_url", what));
        }
        Some(url.trim_end_matches('/').to_owned())
    }
}
