//! Names that the broker makes up.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `prefix` and 22 random characters (132 bits) that may stand in a URL: `amq.gen-3XWyGKqf0lTjTFxcmzeHzQ`.
pub(crate) fn generated(prefix: &str) -> String {
    let mut random = [0u8; 22];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    let mut name = prefix.to_owned();
    name.extend(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])));
    name
}
