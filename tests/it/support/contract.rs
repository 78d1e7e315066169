//! The contract: every answer that a test gets is held against the OpenAPI document.

use std::{
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use jsonschema::Validator;
use reqwest::{Method, Request, StatusCode};
use serde_json::{Map, Value, json};

use super::Answer;

/// What a person opens, and the document itself: no operations.
const PAGES: [&str; 11] = [
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui.css",
    "/docs/swagger-ui.js",
    "/openapi.json",
    "/openapi.yaml",
    "/pages/page.css",
    "/pages/page.js",
    "/reset-password",
    "/undo-email-change",
    "/verify-email",
];

/// What is said before it is known which operation a request is for: also where there is none.
const BEFORE_ROUTING: [(u16, &str); 4] = [
    (403, "cross-site-request"),
    (404, "not-found"),
    (405, "method-not-allowed"),
    (413, "body-too-large"),
];

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// What was asked, as far as the contract has a say in it.
pub struct Question {
    method: Method,
    path: String,
    /// Whether a browser asks if a page may send a request.
    is_preflight: bool,
}

impl Question {
    pub fn of(request: &Request) -> Self {
        let headers = request.headers();
        Self {
            method: request.method().clone(),
            path: request.url().path().to_owned(),
            is_preflight: request.method() == Method::OPTIONS
                && headers.contains_key("origin")
                && headers.contains_key("access-control-request-method"),
        }
    }

    /// Fails the test where an answer to this is not as the document says.
    pub fn check(&self, answer: &Answer) {
        answer.assert_conventions();
        if let Err(deviation) = self.judge(answer) {
            panic!(
                "{} {} is not answered as docs/openapi.json says: {deviation}\n{answer:?}",
                self.method, self.path
            );
        }
    }

    /// # Errors
    /// How an answer to this differs from what the document says.
    pub fn judge(&self, answer: &Answer) -> Result<(), String> {
        CONTRACT.judge(self, answer)
    }

    /// `get` for HEAD too, which is answered where GET is.
    fn documented_method(&self) -> String {
        let method = self.method.as_str().to_ascii_lowercase();
        if method == "head" {
            "get".to_owned()
        } else {
            method
        }
    }
}

/// The document, and what checks each schema in it.
struct Contract {
    document: Value,
    /// By the text of the schema.
    validators: HashMap<String, Validator>,
}

impl Contract {
    fn read() -> Self {
        let document = bienvenue::openapi_document();
        let document: Value = serde_json::from_str(&document).expect("it is JSON");
        let mut components = document["components"].clone();
        let schemas = components["schemas"].as_object_mut().expect("schemas");
        schemas.values_mut().for_each(translate);
        let operations =
            objects(&document["paths"]).flat_map(|(_, operations)| objects(operations));
        let responses = operations.flat_map(|(_, operation)| objects(&operation["responses"]));
        let contents = responses.flat_map(|(_, response)| objects(&response["content"]));
        let mut validators = HashMap::new();
        for (_, content) in contents {
            let schema = &content["schema"];
            validators.entry(schema.to_string()).or_insert_with(|| {
                let mut schema = schema.clone();
                translate(&mut schema);
                schema["components"] = components.clone();
                let options = jsonschema::draft202012::options();
                let options = options.should_validate_formats(true);
                options.build(&schema).expect("the schema is right")
            });
        }
        Self {
            document,
            validators,
        }
    }

    fn judge(&self, question: &Question, answer: &Answer) -> Result<(), String> {
        let item = self.item(&question.path);
        let operation = item.and_then(|item| item.get(&question.documented_method()));
        let Some(operation) = operation else {
            return self.judge_without_operation(question, item, answer);
        };
        let status = answer.status.as_str();
        let response = operation["responses"].get(status);
        let response = response.ok_or_else(|| format!("{status} is not documented"))?;
        judge_headers(response, answer)?;
        if question.method == Method::HEAD {
            return Ok(());
        }
        self.judge_body(response, answer)?;
        if answer.status.is_client_error() || answer.status.is_server_error() {
            // `name`: what it means · `name`: what it means
            let description = response["description"].as_str().unwrap_or_default();
            let documented: Vec<_> = description.split('`').skip(1).step_by(2).collect();
            let name = problem_name(answer)?;
            if !documented.contains(&name) {
                return Err(format!("{name} is not among {documented:?}"));
            }
        }
        Ok(())
    }

    /// The operations of a path, by method. One that is written out comes before one with a parameter.
    fn item(&self, path: &str) -> Option<&Map<String, Value>> {
        let paths = || objects(&self.document["paths"]);
        let item = paths()
            .find(|(template, _)| *template == path)
            .or_else(|| paths().find(|(template, _)| fits(template, path)));
        item.and_then(|(_, item)| item.as_object())
    }

    /// There are pages, and what a browser asks before it asks; all else is a problem.
    fn judge_without_operation(
        &self,
        question: &Question,
        item: Option<&Map<String, Value>>,
        answer: &Answer,
    ) -> Result<(), String> {
        if question.is_preflight && answer.status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let is_page = PAGES.contains(&&*question.path);
        if is_page && [Method::GET, Method::HEAD].contains(&question.method) {
            return if answer.status == StatusCode::OK {
                Ok(())
            } else {
                Err("a page is answered with 200".to_owned())
            };
        }
        let name = problem_name(answer)?;
        if !BEFORE_ROUTING.contains(&(answer.status.as_u16(), name)) {
            return Err(format!("{name} is for operations, and this is none"));
        }
        let problem = json!({"$ref": "#/components/schemas/Problem"});
        self.judge_schema(&problem, &answer.body)?;
        let mut methods: BTreeSet<_> = item
            .into_iter()
            .flatten()
            .map(|(name, _)| &**name)
            .collect();
        if is_page || methods.contains("get") {
            methods.extend(["get", "head"]);
        }
        match answer.status {
            StatusCode::NOT_FOUND if !methods.is_empty() => {
                Err(format!("the path is documented for {methods:?}"))
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                let allowed = answer.header("allow").to_ascii_lowercase();
                let allowed: BTreeSet<_> = allowed.split(", ").collect();
                if allowed == methods {
                    Ok(())
                } else {
                    Err(format!("documented for {methods:?}, allowed {allowed:?}"))
                }
            }
            _ => Ok(()),
        }
    }

    fn judge_body(&self, response: &Value, answer: &Answer) -> Result<(), String> {
        let kind = answer.header("content-type");
        let Some(content) = response["content"].as_object() else {
            return if kind.is_empty() && answer.body.is_null() {
                Ok(())
            } else {
                Err(format!("it has a body of {kind:?}, and none is documented"))
            };
        };
        let content = content.get(kind);
        let content = content.ok_or_else(|| format!("{kind:?} is not documented"))?;
        self.judge_schema(&content["schema"], &answer.body)
    }

    fn judge_schema(&self, schema: &Value, body: &Value) -> Result<(), String> {
        let validator = &self.validators[&schema.to_string()];
        let errors = validator.iter_errors(body);
        let errors = errors.map(|err| format!("{}: {err}", err.instance_path()));
        let errors: Vec<_> = errors.collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join(", "))
        }
    }
}

/// Makes JSON Schema of a schema of OpenAPI 3.0, which writes null in its own way. An object is taken to have no more than what
/// is documented, so that nothing is told that the document does not tell of.
fn translate(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(translate),
        Value::Object(fields) => {
            let is_nullable = fields.remove("nullable") == Some(true.into());
            fields.values_mut().for_each(translate);
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
            if is_nullable {
                *schema = json!({"anyOf": [schema.take(), {"type": "null"}]});
            }
        }
        _ => {}
    }
}

/// Whether a path is one of those that a template such as `/sessions/{id}` stands for.
fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(wanted, found)| {
            wanted == found || (wanted.starts_with('{') && !found.is_empty())
        })
}

fn judge_headers(response: &Value, answer: &Answer) -> Result<(), String> {
    for (name, header) in objects(&response["headers"]) {
        let value = answer.header(name);
        if value.is_empty() && header["required"] == true {
            return Err(format!("it has no {name}"));
        }
        if header["schema"]["type"] == "integer" && !value.is_empty() {
            let number = value.parse::<u64>();
            number.map_err(|_| format!("{name}: {value} is no number"))?;
        }
    }
    Ok(())
}

fn problem_name(answer: &Answer) -> Result<&str, String> {
    if answer.body["status"] != answer.status.as_u16() {
        return Err("this is no problem of this status".to_owned());
    }
    let name = answer.body["type"].as_str();
    let name = name.and_then(|name| name.strip_prefix("/problems/"));
    name.ok_or_else(|| "a problem has a type".to_owned())
}

fn objects(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.as_str(), value))
}
