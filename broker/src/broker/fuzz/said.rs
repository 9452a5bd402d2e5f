//! What a client says, from well-formed methods to any bytes.

use bolero::TypeGenerator;

/// Names that fit together often enough for something to happen.
const NAMES: [&str; 8] = ["", "q", "r", "e", "amq.fanout", "amq.topic", "amq.rabbitmq.reply-to", "amq.mine"];
const KINDS: [&str; 5] = ["direct", "fanout", "topic", "headers", "carousel"];
/// Tables of arguments, without their lengths.
const ARGUMENTS: [&[u8]; 8] = [
    b"",
    b"",
    b"\x16x-dead-letter-exchangeS\0\0\0\0",
    b"\x0dx-message-ttlI\0\0\0\0",
    b"\x0cx-max-lengthI\0\0\0\x01",
    b"\x0ex-max-priorityI\0\0\0\x05",
    b"\x18x-single-active-consumert\x01",
    b"\x0cx-queue-typeS\0\0\0\x06quorum",
];
/// Property blocks: none, a reply address, an expiration, headers, one that is cut.
const PROPERTIES: [&[u8]; 5] =
    [b"\0\0", b"\x02\0\x15amq.rabbitmq.reply-to", b"\x01\0\x011", b"\x20\0\0\0\0\x05\x01at\x01\x01", b"\x80\0\x09a"];

#[derive(Debug, Clone, TypeGenerator)]
pub(super) enum Said {
    Method { channel: u8, choice: u8, names: [u8; 3], flags: u8, arguments: u8 },
    Publish { channel: u8, names: [u8; 2], flags: u8, properties: u8, body: u8 },
    Unsure { channel: u8, class: u8, method: u8, fields: Vec<u8> },
    Frame { kind: u8, channel: u8, payload: Vec<u8> },
    Bytes(Vec<u8>),
}

impl Said {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Said::Method { channel, choice, names, flags, arguments } => {
                let (class, id, fields) = method(*choice, names.map(name), *flags, pick(&ARGUMENTS, *arguments));
                frame(1, channel % 4, &[&[0, class, 0, id], &fields[..]].concat())
            }
            Said::Publish { channel, names, flags, properties, body } => {
                let [exchange, key] = names.map(name);
                let publish = [&[0, 60, 0, 40, 0, 0][..], &exchange, &key, &[flags % 2]].concat();
                let header = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, *body][..], pick(&PROPERTIES, *properties)].concat();
                let mut bytes = [frame(1, channel % 4, &publish), frame(2, channel % 4, &header)].concat();
                if *body > 0 {
                    bytes.extend(frame(3, channel % 4, &vec![b'x'; usize::from(*body)]));
                }
                bytes
            }
            Said::Unsure { channel, class, method, fields } => {
                let class = pick(&[10, 20, 30, 40, 50, 60, 85, 90], *class);
                frame(1, channel % 4, &[&[0, class, 0, method % 130], &fields[..]].concat())
            }
            Said::Frame { kind, channel, payload } => frame(kind % 10, channel % 4, payload),
            Said::Bytes(bytes) => bytes.clone(),
        }
    }
}

fn pick<T: Copy>(from: &[T], number: u8) -> T {
    from[usize::from(number) % from.len()]
}

fn name(number: u8) -> Vec<u8> {
    short(pick(&NAMES, number))
}

fn short(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

/// A method with fields as they must be.
fn method(choice: u8, [a, b, c]: [Vec<u8>; 3], flags: u8, arguments: &[u8]) -> (u8, u8, Vec<u8>) {
    let table = [&u32::try_from(arguments.len()).unwrap().to_be_bytes()[..], arguments].concat();
    let tag = [0, 0, 0, 0, 0, 0, 0, flags >> 4];
    let reserved = [0, 0];
    let join = |parts: &[&[u8]]| parts.concat();
    let kind = short(pick(&KINDS, flags >> 4));
    match choice % 24 {
        0 | 1 => (20, 10, join(&[&[0]])),
        2 => (20, 40, join(&[&[0, 200, 0, 0, 0, 0, 0]])),
        3 => (20, 41, Vec::new()),
        4 => (20, 20, join(&[&[flags % 2]])),
        5..=7 => (50, 10, join(&[&reserved, &a, &[flags % 32], &table])),
        8 => (50, 20, join(&[&reserved, &a, &b, &c, &[flags % 2], &table])),
        9 => (50, 50, join(&[&reserved, &a, &b, &c, &table])),
        10 => (50, 30, join(&[&reserved, &a, &[flags % 2]])),
        11 => (50, 40, join(&[&reserved, &a, &[flags % 8]])),
        12 => (40, 10, join(&[&reserved, &a, &kind, &[flags % 32], &table])),
        13 => (40, 20, join(&[&reserved, &a, &[flags % 4]])),
        14 => (40, 30, join(&[&reserved, &a, &b, &c, &[flags % 2], &table])),
        15 => (60, 10, join(&[&[0, 0, 0, 0, 0, flags % 3, flags >> 7]])),
        16 | 17 => (60, 20, join(&[&reserved, &a, &b, &[flags % 16], &table])),
        18 => (60, 30, join(&[&b, &[flags % 2]])),
        19 => (60, 70, join(&[&reserved, &a, &[flags % 2]])),
        20 => (60, 80, join(&[&tag, &[flags % 2]])),
        21 => (60, 120, join(&[&tag, &[flags % 4]])),
        22 => (60, 110, join(&[&[1]])),
        _ => (85, 10, join(&[&[flags % 2]])),
    }
}

fn frame(kind: u8, channel: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, channel][..], &length, payload, &[0xCE]].concat()
}

/// Opens a connection to `/`, and channel 1.
pub(super) fn opening() -> Vec<u8> {
    let start =
        [&[0, 10, 0, 11, 0, 0, 0, 0, 5][..], b"PLAIN", &[0, 0, 0, 12], b"\0guest\0guest", &[5], b"en_US"].concat();
    [
        b"AMQP\0\0\x09\x01".to_vec(),
        frame(1, 0, &start),
        frame(1, 0, &[0, 10, 0, 31, 7, 255, 0, 0, 0x20, 0, 0, 0]),
        frame(1, 0, &[0, 10, 0, 40, 1, b'/', 0, 0]),
        frame(1, 1, &[0, 20, 0, 10, 0]),
    ]
    .concat()
}

/// All that a connection can hold at once: an exclusive queue with a message in it and one on its way to a consumer, an
/// auto-delete exchange, a consumer of direct replies, a confirm, and the beginning of a content.
pub(super) fn busy() -> Vec<u8> {
    let publish = |body: u8| {
        let header = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, body, 0, 0];
        [frame(1, 1, &[0, 60, 0, 40, 0, 0, 0, 1, b'q', 0]), frame(2, 1, &header)].concat()
    };
    [
        frame(1, 1, &[0, 50, 0, 10, 0, 0, 1, b'q', 0b100, 0, 0, 0, 0]),
        frame(1, 1, &[0, 85, 0, 10, 0]),
        frame(1, 1, &[0, 60, 0, 10, 0, 0, 0, 0, 0, 1, 0]),
        frame(1, 1, &[0, 60, 0, 20, 0, 0, 1, b'q', 0, 0, 0, 0, 0, 0]),
        frame(1, 1, &[&[0, 60, 0, 20, 0, 0][..], &short("amq.rabbitmq.reply-to"), &[0, 0b10, 0, 0, 0, 0]].concat()),
        publish(0),
        publish(0),
        frame(1, 2, &[0, 20, 0, 10, 0]),
        frame(1, 2, &[0, 60, 0, 70, 0, 0, 1, b'q', 0]),
        publish(99),
        frame(3, 1, b"a part of it"),
    ]
    .concat()
}
