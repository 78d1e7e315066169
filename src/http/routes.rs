//! The routes of a face.

use std::collections::HashMap;

use poem::{
    Endpoint, IntoEndpoint, Response, Route,
    endpoint::{BoxEndpoint, EndpointExt as _},
    get,
    http::HeaderValue,
};

/// The `Allow` header of each path, by the shape of its pattern.
pub(super) type Allowed = HashMap<String, HeaderValue>;

/// The paths of a face, and the `Allow` header of each.
pub(crate) struct Routes {
    route: Route,
    paths: Vec<String>,
    allowed: Allowed,
}

/// A pattern without the names of its parameters, which poem-openapi changes.
pub(super) fn shape(pattern: &str) -> String {
    let segments = pattern.split('/').map(|segment| match segment.as_bytes() {
        [b':' | b'{', ..] => ":",
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

impl Routes {
    /// Starts without a path.
    pub(crate) fn new() -> Self {
        Self {
            route: Route::new(),
            paths: Vec::new(),
            allowed: HashMap::new(),
        }
    }

    /// Adds a path with the method GET.
    pub(crate) fn get<E>(mut self, path: &'static str, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.allow(path.to_owned(), vec!["GET".to_owned()]);
        let route = self.route.at(path, get(endpoint));
        Self { route, ..self }
    }

    /// Adds an endpoint that has its own router, with the patterns of its paths and their methods.
    pub(crate) fn operations(
        mut self,
        endpoint: impl Endpoint<Output = Response> + 'static,
        paths: impl IntoIterator<Item = (String, Vec<String>)>,
    ) -> Self {
        for (path, methods) in paths {
            self.allow(path, methods);
        }
        let route = self.route.nest_no_strip("/", endpoint);
        Self { route, ..self }
    }

    fn allow(&mut self, path: String, mut methods: Vec<String>) {
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        let allow = HeaderValue::from_str(&methods.join(", ")).expect("methods are letters");
        self.allowed.insert(shape(&path), allow);
        self.paths.push(path);
    }

    /// The patterns of all paths.
    pub(super) fn paths(&self) -> &[String] {
        &self.paths
    }

    pub(super) fn into_parts(self) -> (BoxEndpoint<'static>, Allowed) {
        (self.route.map_to_response().boxed(), self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_differ_in_the_names_of_their_parameters_have_one_shape() {
        for pattern in ["/sessions/{id}", "/sessions/:id", "/sessions/:param0"] {
            assert_eq!(shape(pattern), "/sessions/:", "{pattern}");
        }
        for pattern in ["/", "/users", "/users/", "//users", "/sessions/current"] {
            assert_eq!(shape(pattern), pattern);
        }
    }
}
