//! The service with real parts: its store on a disk, its files as poppler reads them, and its methods over RabbitMQ.

#[path = "certificates/document.rs"]
mod document;
#[path = "certificates/issuing.rs"]
mod issuing;
#[path = "certificates/wire.rs"]
mod wire;

use warren_proto::certificates::IssueRequest;

/// A request for the first place.
fn request(person: &str) -> IssueRequest {
    IssueRequest {
        contest: "spring".to_owned(),
        contest_title: "Spring Cup".to_owned(),
        person: person.to_owned(),
        name: "Ana Ñandú".to_owned(),
        place: Some(1),
        date: Some("2024-03-09".to_owned()),
    }
}
