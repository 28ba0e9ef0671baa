//! `GET /openapi.json`: OpenAPI 3.1, made from the table of routes and the types of bodies and answers.

use std::collections::BTreeMap;

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr,
    Required, ResponseBuilder, Schema, Type,
};

use super::call::Call;
use super::failure::ErrorReply;
use super::reply::{Answered, Reply};
use super::routes::{Access, Body, Route, Shape, Verb, routes};

const KEY: &str = "key";

pub async fn answer(_: Call) -> Answered {
    Ok(Reply::ok(&describe(routes())))
}

/// The description of a table.
fn describe(routes: &[Route]) -> OpenApi {
    let mut schemas: BTreeMap<String, RefOr<Schema>> = BTreeMap::new();
    let error = error();
    collect(&mut schemas, &error);
    let mut paths = PathsBuilder::new();
    // What another request stands behind is described by the route without it.
    for route in routes.iter().filter(|route| !route.is_prefix()) {
        if let Body::Small(_, shape) | Body::Bulk(_, shape) = &route.body {
            collect(&mut schemas, shape);
        }
        if let Some(shape) = &route.reply {
            collect(&mut schemas, shape);
        }
        paths = paths.path(plain(route.path), PathItem::new(method(route.verb), operation(route, &error)));
    }
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hwk_…").build());
    let mut components = ComponentsBuilder::new().security_scheme(KEY, scheme);
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("hubwarden")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("Who may do what on a model hub. Errors have one form: `ErrorReply`."))
                .build(),
        )
        .paths(paths.build())
        .components(Some(components.build()))
        .build()
}

fn operation(route: &Route, error: &Shape) -> Operation {
    let mut operation = OperationBuilder::new().summary(Some(route.about));
    for name in route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let name = name.trim_start_matches('*');
        operation = operation.parameter(text(name, ParameterIn::Path, Required::True, None));
    }
    for (name, about) in route.query {
        operation = operation.parameter(text(name, ParameterIn::Query, Required::False, Some(about)));
    }
    if let Body::Small(media, shape) | Body::Bulk(media, shape) = &route.body {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for media in *media {
            body = body.content(*media, ContentBuilder::new().schema(Some(reference(shape))).build());
        }
        operation = operation.request_body(Some(body.build()));
    }
    let mut success = ResponseBuilder::new().description("The answer.");
    if let Some(shape) = &route.reply {
        success = success.content("application/json", ContentBuilder::new().schema(Some(reference(shape))).build());
    }
    let failure = ResponseBuilder::new()
        .description("What is wrong.")
        .content("application/json", ContentBuilder::new().schema(Some(reference(error))).build());
    operation = operation.response("2XX", success.build()).response("default", failure.build());
    if let Access::Scopes(scopes) | Access::Gateway(scopes) = route.access {
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        operation = operation
            .description(Some(format!("Needs a key with the scope {}.", names.join(" or "))))
            .security(SecurityRequirement::new(KEY, names));
    }
    operation.build()
}

fn text(name: &str, place: ParameterIn, required: Required, about: Option<&str>) -> ParameterBuilder {
    let schema = ObjectBuilder::new().schema_type(Type::String).build();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(about)
        .schema(Some(Schema::Object(schema)))
}

fn error() -> Shape {
    use utoipa::{PartialSchema, ToSchema};
    Shape { name: ErrorReply::name, schema: ErrorReply::schema, parts: ErrorReply::schemas }
}

fn collect(schemas: &mut BTreeMap<String, RefOr<Schema>>, shape: &Shape) {
    let mut parts = Vec::new();
    (shape.parts)(&mut parts);
    parts.push(((shape.name)().into_owned(), (shape.schema)()));
    schemas.extend(parts);
}

fn reference(shape: &Shape) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name((shape.name)()))
}

/// `/v1/policies/{*id}` is `/v1/policies/{id}` there.
fn plain(path: &str) -> String {
    path.replace("{*", "{")
}

fn method(verb: Verb) -> HttpMethod {
    match verb {
        Verb::Get => HttpMethod::Get,
        Verb::Post => HttpMethod::Post,
        Verb::Put => HttpMethod::Put,
        Verb::Patch => HttpMethod::Patch,
        Verb::Delete => HttpMethod::Delete,
    }
}
