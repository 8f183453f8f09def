//! The `OpenAPI` document is what is answered, and what is answered is in it.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn document() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// What is wrong with a value by a schema of the document.
fn faults(document: &Value, schema: &str, value: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let schema = &document["components"]["schemas"][schema];
    assert!(schema.is_object(), "no schema {schema}");
    check(document, schema, value, "", &mut faults);
    faults
}

/// As much of JSON Schema as the document uses; another keyword is a fault.
fn check(document: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().unwrap() {
        if !holds(keyword, rule, value) {
            faults.push(format!("{at}: {value} against {keyword} {rule}"));
        }
    }
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').unwrap();
        check(
            document,
            document.pointer(pointer).unwrap(),
            value,
            at,
            faults,
        );
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            check(
                document,
                &schema["items"],
                item,
                &format!("{at}/{place}"),
                faults,
            );
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        if schema["propertyNames"].is_object() {
            let name = Value::from(name.as_str());
            check(document, &schema["propertyNames"], &name, &at, faults);
        }
        let known = &schema["properties"][name];
        let more = &schema["additionalProperties"];
        match (known.is_object(), more) {
            (true, _) => check(document, known, member, &at, faults),
            (false, Value::Bool(false)) => faults.push(format!("{at} is not in the document")),
            (false, Value::Object(_)) => check(document, more, member, &at, faults),
            _ => {}
        }
    }
}

/// Whether a keyword that is of a value itself holds.
fn holds(keyword: &str, rule: &Value, value: &Value) -> bool {
    let length = || value.as_str().map_or(0, |text| text.chars().count()) as u64;
    let items = || value.as_array().map_or(0, Vec::len) as u64;
    let bound = || rule.as_u64().unwrap();
    match keyword {
        // of its parts, or for people and generators
        "$ref"
        | "items"
        | "properties"
        | "additionalProperties"
        | "propertyNames"
        | "description"
        | "format"
        | "pattern"
        | "default" => true,
        "type" => match rule {
            Value::Array(kinds) => kinds.iter().any(|kind| is_a(kind.as_str().unwrap(), value)),
            kind => is_a(kind.as_str().unwrap(), value),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "minimum" => value.as_f64() >= rule.as_f64(),
        "maximum" => value.as_f64() <= rule.as_f64(),
        "minLength" => length() >= bound(),
        "maxLength" => length() <= bound(),
        "minItems" => items() >= bound(),
        "maxItems" => items() <= bound(),
        "required" => {
            let mut names = rule.as_array().unwrap().iter();
            names.all(|name| value.get(name.as_str().unwrap()).is_some())
        }
        other => panic!("{other} is not checked"),
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("no kind {other}"),
    }
}

/// The check itself finds what it should.
#[test]
fn faults_are_found() {
    let document = document();
    let good = json!({"start": "a", "end": "b", "length": "1h"});
    assert_eq!(faults(&document, "Window", &good), [] as [String; 0]);
    for bad in [
        json!({"start": "a", "end": "b"}),
        json!({"start": "a", "end": "b", "length": 1}),
        json!({"start": "a", "end": "b", "length": "1h", "x": 1}),
        json!([]),
    ] {
        assert!(!faults(&document, "Window", &bad).is_empty(), "{bad}");
    }
    assert!(!faults(&document, "Severity", &json!("bad")).is_empty());
}

fn schema_of(content: &Value) -> Option<(&str, &Value)> {
    let schema = content["schema"]["$ref"].as_str()?;
    let name = schema.strip_prefix("#/components/schemas/")?;
    Some((name, &content["example"]))
}

/// All operations: method, path, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_document_has_every_path_and_no_other() {
    let (router, _) = ROUTES.split_once(".merge(").unwrap();
    let (_, router) = router.split_once("Router::new()").unwrap();
    let routes: BTreeSet<&str> = router
        .split('"')
        .filter(|text| text.starts_with('/'))
        .collect();
    let document = document();
    let told = document["paths"].as_object().unwrap();
    let told: BTreeSet<&str> = told.keys().map(String::as_str).collect();
    assert_eq!(told, routes);
    let methods = operations(&document).len();
    let handlers = ["get(", "post(", "delete("];
    let handlers: usize = handlers.iter().map(|one| router.matches(one).count()).sum();
    assert_eq!(methods, handlers);
}

/// The router, as it is written.
const ROUTES: &str = include_str!("../../api.rs");

#[test]
fn examples_are_as_their_schemas_say() {
    let document = document();
    let mut checked = 0;
    for (method, path, operation) in operations(&document) {
        let bodies = [&operation["requestBody"]["content"]["application/json"]];
        let answers = operation["responses"].as_object().unwrap().values();
        let answers = answers.map(|answer| &answer["content"]["application/json"]);
        for (schema, example) in answers.chain(bodies).filter_map(schema_of) {
            let faults = faults(&document, schema, example);
            assert!(faults.is_empty(), "{method} {path}: {faults:#?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 16);
    let problem = &document["components"]["responses"]["Problem"]["content"];
    let (schema, example) = schema_of(&problem["application/problem+json"]).unwrap();
    assert_eq!(faults(&document, schema, example), [] as [String; 0]);
}

#[test]
fn answers_are_as_the_document_says() {
    let document = document();
    let server = Server::start(Some(fixture::board()));
    let mut chain = Chain::default();
    let journal = Journal::default();
    for n in 0..11 {
        journal.add(chain.next(draft(n)));
    }
    server.shared.set_journal(journal);
    let hostile = segment(HOSTILE).to_string();
    let of_hostile = format!("/api/v1/models/{hostile}/versions/{hostile}");
    for (schema, path) in [
        ("ModelsPage", "/api/v1/models".to_owned()),
        ("ModelsPage", "/api/v1/models?limit=1".to_owned()),
        ("ScoresPage", format!("{FRAUD}/scores?window=1h")),
        (
            "ScoresPage",
            format!("{FRAUD}/scores?window=6h&limit=2&sort=psi"),
        ),
        ("ScoresPage", format!("{of_hostile}/scores")),
        ("Series", format!("{FRAUD}/series/amount?window=1h")),
        (
            "Series",
            format!("{FRAUD}/series/country?reference=training"),
        ),
        ("Series", format!("{FRAUD}/series/extra")),
        ("Series", format!("{of_hostile}/series/{hostile}")),
        ("History", format!("{FRAUD}/series/amount/history")),
        ("History", format!("{FRAUD}/series/extra/history")),
        ("AlertsPage", "/api/v1/alerts".to_owned()),
        ("Mutes", "/api/v1/mutes".to_owned()),
        ("Journal", "/api/v1/journal".to_owned()),
        ("Journal", "/api/v1/journal?limit=3".to_owned()),
        ("Status", "/api/v1/status".to_owned()),
    ] {
        let reply = server.get(&path);
        assert_eq!(reply.status, 200, "{path}");
        let answer = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(
            faults(&document, schema, &answer),
            [] as [String; 0],
            "{path}"
        );
    }
    let part = Server::start(Some(Arc::new(of_two(false))));
    for (schema, path) in [
        ("ModelsPage", "/api/v1/models".to_owned()),
        ("AlertsPage", "/api/v1/alerts".to_owned()),
        ("Status", "/api/v1/status".to_owned()),
        ("Problem", format!("{FRAUD}/scores")),
    ] {
        let answer = serde_json::from_str(&part.get(&path).body).unwrap();
        let faults = faults(&document, schema, &answer);
        assert_eq!(faults, [] as [String; 0], "{path}");
        assert!(answer["shard"].is_string(), "{path}");
    }
    let answer = server.get("/api/v1/openapi.json");
    assert_eq!(answer.json(), rounded(document.clone()));
    for path in [
        "/api/v1/none",
        "/api/v1/models?x=1",
        "/api/v1/models?limit=0",
    ] {
        let answer = serde_json::from_str(&server.get(path).body).unwrap();
        assert_eq!(
            faults(&document, "Problem", &answer),
            [] as [String; 0],
            "{path}"
        );
    }
}
