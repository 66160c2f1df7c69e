//! The description of the interface: what the functions say of themselves, and what is
//! true of all of them and is said here once.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use crate::serve::trouble::ErrorBody;

/// What any request may be answered with that is not answered as it was meant.
const ALWAYS: [(&str, &str); 4] = [
    ("400", "the request says something that cannot be meant"),
    ("401", "the token is missing or another"),
    (
        "503",
        "too much is asked for at once, or the record cannot be opened",
    ),
    ("default", "any other error"),
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "quintet",
        description = "Runs, as they are recorded and as they go on."
    ),
    servers((url = "/api/v1"))
)]
struct Own;

/// The description before anything is described.
pub fn begun() -> utoipa::openapi::OpenApi {
    Own::openapi()
}

/// Adds to each operation the errors that any may end with, and to all the token.
pub fn completed(mut whole: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let items = whole.paths.paths.values_mut();
    let operations = items.flat_map(|item| [&mut item.get, &mut item.post]);
    for operation in operations.flatten() {
        for (status, why) in ALWAYS {
            let responses = &mut operation.responses.responses;
            responses.entry(status.into()).or_insert_with(|| error(why));
        }
    }
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = whole.components.get_or_insert_with(Components::new);
    components.add_security_scheme("token", token);
    let nothing_more: [&str; 0] = [];
    whole.security = Some(vec![SecurityRequirement::new("token", nothing_more)]);
    whole
}

fn error(why: &str) -> RefOr<Response> {
    let body = Ref::from_schema_name(ErrorBody::name());
    let content = ContentBuilder::new().schema(Some(body)).build();
    let response = ResponseBuilder::new().description(why);
    response.content("application/json", content).build().into()
}
