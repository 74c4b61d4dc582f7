//! `docs/openapi.yaml` describes the routes there are, all of them and no others.

use std::collections::{BTreeMap, BTreeSet};

use hubbub::{http::routes::ROUTES, protocol::error::ErrorCode};
use serde_json::Value;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../../docs/openapi.yaml")).unwrap()
}

/// Every operation, by method and path.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| -> Vec<_> {
        let methods = item.as_object().unwrap().iter().filter(|(key, _)| METHODS.contains(&key.as_str()));
        methods.map(|(method, operation)| ((method.to_uppercase(), path.clone()), operation.clone())).collect()
    };
    paths.iter().flat_map(of_path).collect()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(pointer) => document.pointer(pointer.trim_start_matches('#')).unwrap_or_else(|| panic!("{pointer}")),
        None => value,
    }
}

#[test]
fn describes_every_route_and_no_other() {
    let described: BTreeSet<_> = operations(&document()).into_keys().collect();
    let routes: BTreeSet<_> = ROUTES.iter().map(|route| (route.method.to_string(), route.template())).collect();
    assert_eq!(described, routes);
}

#[test]
fn every_error_has_the_one_form() {
    let document = document();
    for ((method, path), operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status < &"400".to_owned()), "{method} {path} has no success");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let schema = &resolve(&document, response)["content"]["application/json"]["schema"]["$ref"];
            // What /health and /ready say with 503 is their answer, not an error.
            let own_form = ["/health", "/api/health", "/ready"].contains(&path.as_str()) && status == "503";
            assert!(own_form || schema == "#/components/schemas/Error", "{method} {path} {status}: {schema}");
        }
    }
}

#[test]
fn lists_every_error_code() {
    let codes = &document()["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"];
    let listed: Vec<&str> = codes.as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect();
    let catalogue: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, catalogue);
}

#[test]
fn what_waits_for_redis_has_no_number_yet() {
    let document = document();
    let responses = &document["paths"]["/api/rooms/{room}/messages"]["post"]["responses"];
    for (status, field, is_there) in [("201", "seq", true), ("202", "seq", false), ("202", "provisional", true)] {
        let schema = resolve(&document, &responses[status]["content"]["application/json"]["schema"]);
        assert_eq!(schema["properties"].get(field).is_some(), is_there, "{status} {field}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        resolve(document, value);
        match value {
            Value::Object(fields) => fields.values().for_each(|field| walk(document, field)),
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}
