//! The pages, as their templates need them.
use askama::Template;
use lambda_http::http::{StatusCode, header};
use lambda_http::{Body, Response};
use shared::edge::admin::{self, Layout};
use shared::edge::problem::Problem;
use shared::model::admin::AdminPath;

use crate::words::Words;

/// Asks for a phone.
#[derive(Debug, Template)]
#[template(path = "phone.html")]
pub struct PhonePage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// The words.
    pub words: &'a Words,
    /// What the form has to bring.
    pub csrf: &'a str,
    /// Where the way leads afterwards.
    pub next: Option<&'a AdminPath>,
    /// Whether somebody is asked who is signed in.
    pub asked_again: bool,
    /// What became of an act that led here, if one did.
    pub undone: Option<&'a str>,
    /// The phone as it was typed.
    pub phone: &'a str,
    /// What is wrong with it.
    pub error: Option<&'a str>,
}

/// Asks for the code.
#[derive(Debug, Template)]
#[template(path = "code.html")]
pub struct CodePage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// The words.
    pub words: &'a Words,
    /// What the form has to bring.
    pub csrf: &'a str,
    /// Where the way leads afterwards.
    pub next: Option<&'a AdminPath>,
    /// The phone as it was typed.
    pub phone: &'a str,
    /// The challenge id.
    pub challenge: &'a str,
    /// What is wrong with the code.
    pub error: Option<&'a str>,
}

/// Asks whether to use a link.
#[derive(Debug, Template)]
#[template(path = "link.html")]
pub struct LinkPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// The words.
    pub words: &'a Words,
    /// What the form has to bring.
    pub csrf: &'a str,
}

/// Says what went wrong where no field is wrong.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage<'a> {
    /// What every page begins with.
    pub layout: Layout<'a>,
    /// The words.
    pub words: &'a Words,
    /// What a person is told.
    pub message: &'a str,
    /// The id of the request.
    pub request_id: &'a str,
}

/// The page as a response. `problem` is what it tells of.
///
/// # Errors
/// When the page cannot be written.
pub fn respond(page: &impl Template, problem: Option<&Problem>) -> Result<Response<Body>, Problem> {
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    let status = problem.map_or(StatusCode::OK, Problem::status);
    let mut response = admin::page_response(status, html);
    if let Some(wait) = problem.and_then(Problem::retry_after_header) {
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    Ok(response)
}
