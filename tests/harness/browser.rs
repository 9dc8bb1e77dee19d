//! A browser on the pages of operators: it keeps cookies, and sends a form with what its page had.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::{Reply, TestSystem, people};

/// One browser. It runs no script.
#[derive(Debug)]
pub struct Browser {
    system: TestSystem,
    cookies: Mutex<BTreeMap<String, String>>,
    language: String,
}

impl Browser {
    /// A fresh one, in English.
    pub fn new(system: &TestSystem) -> Self {
        Self {
            system: system.clone(),
            cookies: Mutex::default(),
            language: "en".into(),
        }
    }

    /// The same, whose person reads `language`.
    #[must_use]
    pub fn in_language(self, language: &str) -> Self {
        Self {
            language: language.into(),
            ..self
        }
    }

    /// The same cookies on another system, such as one with other settings.
    #[must_use]
    pub fn on(&self, system: &TestSystem) -> Self {
        Self {
            system: system.clone(),
            cookies: Mutex::new(self.cookies()),
            language: self.language.clone(),
        }
    }

    /// The cookies that it has.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.clone()
    }

    /// Puts a cookie in, as somebody does who made it up or stole it.
    pub fn put_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        cookies.insert(name.into(), value.into());
    }

    /// The value of the cookie of a login, if there is one.
    pub fn login(&self) -> Option<String> {
        self.cookies().remove("__Host-admin")
    }

    /// Loads a page.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], String::new()).await
    }

    /// Loads a page as a browser does that says where its link stood: `same-origin`, `cross-site`, or `none` for no page at all.
    pub async fn get_from(&self, site: &str, path: &str) -> Reply {
        let headers = [("sec-fetch-site", site)];
        self.send("GET", path, &headers, String::new()).await
    }

    /// Posts `fields`, and nothing else.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(path, fields, &[]).await
    }

    /// The same with more headers.
    pub async fn post_with(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [&[form], headers].concat();
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.send("POST", path, &headers, body.finish()).await
    }

    /// Sends the form of `page` that leads to `path`: its hidden fields, and `fields`.
    ///
    /// # Panics
    /// When the page has no such form.
    pub async fn submit(&self, page: &Reply, path: &str, fields: &[(&str, &str)]) -> Reply {
        let hidden = hidden_fields(page, path);
        let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(path, &all).await
    }

    /// Asks for a code for `phone`, and answers the page that asks for it.
    pub async fn ask_for_code(&self, phone: &str) -> Reply {
        let page = self.get("/admin/login?again=/admin").await;
        self.submit(&page, "/admin/login", &[("phone", phone)])
            .await
    }

    /// Signs an operator in with a code.
    ///
    /// # Panics
    /// When that fails.
    pub async fn sign_in(&self, phone: &str) -> Reply {
        let page = self.ask_for_code(phone).await;
        assert_eq!(page.status, 200, "{}", text(&page));
        let code = people::code_on(&self.system, phone);
        let reply = self
            .submit(&page, "/admin/login/code", &[("code", &code)])
            .await;
        assert_eq!(reply.status, 303, "{}", text(&reply));
        reply
    }

    /// Whether somebody is signed in: the page to sign in sends them on.
    pub async fn is_signed_in(&self) -> bool {
        self.get("/admin/login").await.status == 303
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Reply {
        let cookies: Vec<_> = self.cookies().into_iter().collect();
        let cookies: Vec<_> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let cookies = cookies.join("; ");
        let mut all = vec![("accept-language", &*self.language)];
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        all.extend(headers);
        let reply = self.system.request(method, path, &all, body).await;
        for cookie in reply.headers.get_all("set-cookie") {
            self.obey(cookie.to_str().expect("a cookie"));
        }
        reply
    }

    fn obey(&self, cookie: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts = cookie.split("; ");
        let named = parts.next().and_then(|pair| pair.split_once('='));
        let (name, value) = named.expect("a name and a value");
        if parts.any(|rule| rule == "Max-Age=0") {
            cookies.remove(name);
        } else {
            cookies.insert(name.into(), value.into());
        }
    }
}

/// The body of a page.
pub fn text(page: &Reply) -> String {
    String::from_utf8_lossy(&page.body).into_owned()
}

/// The hidden fields of the form of `page` that leads to `path`; a form that names no way leads to its own page.
///
/// # Panics
/// When there is no such form.
pub fn hidden_fields(page: &Reply, path: &str) -> Vec<(String, String)> {
    let html = text(page);
    let button = html.split("<button ").skip(1).find(|button| {
        let tag = button.split('>').next().unwrap_or_default();
        tag.contains(&format!(" formaction=\"{path}\""))
    });
    let of_button = button.and_then(|button| {
        let (_, form) = button.split_once("form=\"")?;
        Some(format!("id=\"{}\"", form.split('"').next()?))
    });
    let action = format!("action=\"{path}\"");
    let mut forms = html.split("<form ").skip(1);
    let form = forms.find(|form| {
        let tag = form.split('>').next().unwrap_or_default();
        match &of_button {
            Some(id) => tag.contains(id),
            None => {
                tag.contains(&action) || !(tag.contains("action=") || tag.contains("id=\"act\""))
            }
        }
    });
    let form = form.unwrap_or_else(|| panic!("no form leads to {path}: {html}"));
    let form = form.split("</form>").next().unwrap_or_default();
    let inputs = form.split("<input type=\"hidden\" ").skip(1);
    let fields = inputs.filter_map(|input| {
        let value = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\""))?;
            rest.split('"').next().map(unescaped)
        };
        Some((value("name")?, value("value")?))
    });
    fields.collect()
}

fn unescaped(text: &str) -> String {
    let signs = [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ];
    let unescaped = |text: String, (escaped, sign): (&str, &str)| text.replace(escaped, sign);
    signs.into_iter().fold(text.to_owned(), unescaped)
}
