//! The pages that the links in emails lead to, for applications that have no frontend of their own yet.
//!
//! Each takes the token from the fragment of its address and calls the API, as a frontend would. They know nothing that
//! the API does not say.

use minijinja::{Environment, UndefinedBehavior, context};
use poem::{
    Request, Response,
    endpoint::make_sync,
    http::{HeaderMap, header},
};

use crate::{
    application::Application,
    auth::Language,
    http::{Face, Failure, Routes, language},
};

/// A file of the folder beside this one, with its name.
macro_rules! template {
    ($name:literal) => {
        ($name, include_str!(concat!("templates/", $name)))
    };
}

/// What a page may do: load from this service, and call it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The face for people, which writes failures so.
pub(crate) fn face(refuse: fn(&Failure) -> Response) -> Face {
    Face {
        refuse,
        content_security_policy: POLICY,
        is_shared: false,
        longest_body: 64 * 1024,
    }
}

/// How long browsers may keep what pages are made of.
const ASSET_CACHE: &str = "public, max-age=3600";

/// What all pages of a language have around them, and what each says in each language.
const TEMPLATES: [(&str, &str); 8] = [
    template!("layout.en.html"),
    template!("layout.fr.html"),
    template!("reset-password.en.html"),
    template!("reset-password.fr.html"),
    template!("undo-email-change.en.html"),
    template!("undo-email-change.fr.html"),
    template!("verify-email.en.html"),
    template!("verify-email.fr.html"),
];

/// The paths of the pages, and of what they are made of. The pages are written here, once.
pub(crate) fn routes(application: &Application) -> Routes {
    let templates = templates();
    let page = |name: &str| {
        let page = Page::write(&templates, name, application).expect("our templates are right");
        make_sync(move |request| page.answer(&request))
    };
    let asset = |content_type: &'static str, content: &'static str| {
        make_sync(move |_| {
            Response::builder()
                .content_type(content_type)
                .header(header::CACHE_CONTROL, ASSET_CACHE)
                .body(content)
        })
    };
    let style = include_str!("assets/page.css");
    let script = include_str!("assets/page.js");
    Routes::new()
        .get("/verify-email", page("verify-email"))
        .get("/reset-password", page("reset-password"))
        .get("/undo-email-change", page("undo-email-change"))
        .get("/pages/page.css", asset("text/css; charset=utf-8", style))
        .get(
            "/pages/page.js",
            asset("text/javascript; charset=utf-8", script),
        )
}

fn templates() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        environment
            .add_template(name, text)
            .expect("our templates are right");
    }
    environment
}

/// A page, in each language.
struct Page {
    english: String,
    french: String,
}

impl Page {
    fn write(
        templates: &Environment<'_>,
        name: &str,
        application: &Application,
    ) -> Result<Self, minijinja::Error> {
        let values = context! {
            app_name => application.name,
            app_url => application.url.as_str(),
            forgotten_password_url => application.forgotten_password_url.as_str(),
        };
        // A name that ends so has its values escaped.
        let write = |language: Language| {
            let name = format!("{name}.{}.html", language.as_str());
            templates.get_template(&name)?.render(&values)
        };
        Ok(Self {
            english: write(Language::English)?,
            french: write(Language::French)?,
        })
    }

    fn answer(&self, request: &Request) -> Response {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::VARY, "Origin, Accept-Language")
            .body(self.in_language_of(request.headers()).to_owned())
    }

    fn in_language_of(&self, headers: &HeaderMap) -> &str {
        match language(headers) {
            Language::English => &self.english,
            Language::French => &self.french,
        }
    }
}
