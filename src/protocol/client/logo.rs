//! Logos, as pages embed them.

use base64ct::{Base64, Encoding};

/// The maximum size of a logo, in bytes.
pub const LOGO_BYTES: usize = 65_536;

/// Makes a `data:` URL of an image. The media type follows from the first bytes and not from the response. SVG is not
/// allowed, because it is a document that can contain text and links.
pub fn to_data_url(base64: &str) -> Option<String> {
    let bytes = Base64::decode_vec(base64).ok()?;
    let media_type = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => return None,
    };
    Some(format!("data:{media_type};base64,{base64}"))
}
