//! Which route takes a request: the most specific one whose method and path fit, then `$default`.
use std::cmp::Reverse;

use percent_encoding::percent_decode_str;

use crate::template::Route;

/// The routes of an HTTP API.
#[derive(Debug)]
pub struct Routes(Vec<Route>);

/// The route of a request, and what its path parameters stand for.
#[derive(Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// The route.
    pub route: &'a Route,
    /// Names and decoded values, in the path's order.
    pub parameters: Vec<(&'a str, String)>,
}

impl Routes {
    /// Puts the routes in the order in which they are tried.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by_key(|route| Reverse(specificity(route)));
        Self(routes)
    }

    /// The route of `method` and `path`, which is still percent-encoded. `None` when nothing fits and there is no
    /// `$default`.
    pub fn find(&self, method: &str, path: &str) -> Option<Matched<'_>> {
        self.0.iter().find_map(|route| {
            let parameters = match &route.matches {
                None => Vec::new(),
                Some((wanted, _)) if wanted != "ANY" && wanted != method => return None,
                Some((_, pattern)) => parameters(pattern, path)?,
            };
            Some(Matched { route, parameters })
        })
    }
}

/// Literal segments before `{one}` before `{rest+}`, then a method before `ANY`; `$default` last.
fn specificity(route: &Route) -> Option<(Vec<u8>, bool)> {
    let (method, path) = route.matches.as_ref()?;
    let segments = path.split('/').map(|segment| match parameter(segment) {
        None => 2,
        Some((_, false)) => 1,
        Some((_, true)) => 0,
    });
    Some((segments.collect(), method != "ANY"))
}

/// The name in `{name}` or `{name+}`, and whether it takes the rest of the path.
fn parameter(segment: &str) -> Option<(&str, bool)> {
    let name = segment.strip_prefix('{')?.strip_suffix('}')?;
    Some(match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    })
}

fn parameters<'a>(pattern: &'a str, path: &str) -> Option<Vec<(&'a str, String)>> {
    let mut found = Vec::new();
    let mut rest = Some(path);
    for segment in pattern.split('/') {
        let left = rest?;
        let (given, after) = match left.split_once('/') {
            Some((given, after)) => (given, Some(after)),
            None => (left, None),
        };
        match parameter(segment) {
            Some((name, true)) if !left.is_empty() => {
                found.push((name, decoded(left)));
                return Some(found);
            }
            Some((name, false)) if !given.is_empty() => found.push((name, decoded(given))),
            None if segment == decoded(given) => {}
            _ => return None,
        }
        rest = after;
    }
    rest.is_none().then_some(found)
}

/// Percent-decodes what API Gateway hands on decoded.
pub fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |key: &str| Route {
            function: "any".into(),
            matches: key.split_once(' ').map(|(m, p)| (m.into(), p.into())),
        };
        let keys = [
            "$default",
            "ANY /files/{path+}",
            "GET /users/{id}",
            "ANY /users/{id}",
            "GET /users/me",
            "POST /users/{id}/notes/{note}",
            "GET /.well-known/jwks.json",
        ];
        Routes::new(keys.map(route).into())
    }

    /// The route key, then the parameters as `name=value`.
    fn check(method: &str, path: &str, expected: &str) {
        let routes = routes();
        let found = routes.find(method, path).unwrap();
        let parameters = found.parameters.iter();
        let parts: Vec<String> = std::iter::once(found.route.key())
            .chain(parameters.map(|(name, value)| format!("{name}={value}")))
            .collect();
        assert_eq!(parts.join(" "), expected, "{method} {path}");
    }

    #[test]
    fn the_most_specific_route_wins() {
        check("GET", "/users/me", "GET /users/me");
        check("GET", "/users/7", "GET /users/{id} id=7");
        check("PUT", "/users/me", "ANY /users/{id} id=me");
        check(
            "POST",
            "/users/7/notes/a%20b",
            "POST /users/{id}/notes/{note} id=7 note=a b",
        );
        check("GET", "/files/a/b", "ANY /files/{path+} path=a/b");
        check(
            "GET",
            "/%2Ewell-known/jwks.json",
            "GET /.well-known/jwks.json",
        );
    }

    #[test]
    fn everything_else_is_the_default_route() {
        for (method, path) in [
            ("POST", "/.well-known/jwks.json"),
            ("GET", "/"),
            ("GET", "/users"),
            ("GET", "/users/"),
            ("GET", "/users/7/"),
            ("GET", "/users/7/8"),
            ("GET", "/files"),
            ("GET", "/files/"),
        ] {
            check(method, path, "$default");
        }
    }

    #[test]
    fn without_a_default_route_nothing_is_found() {
        assert_eq!(Routes::new(Vec::new()).find("GET", "/"), None);
    }
}
