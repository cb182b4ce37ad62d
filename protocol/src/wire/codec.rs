//! Frames to bytes and back. The only file that names bincode, so that another codec can take its place.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits::MAX_FRAME_BYTES;

/// Without a limit a ten-byte frame that claims a huge length panics the process.
type Config = Configuration<LittleEndian, Varint, Limit<MAX_FRAME_BYTES>>;
const CONFIG: Config = bincode::config::standard().with_limit::<MAX_FRAME_BYTES>();

/// Why bytes are not a frame, or a frame cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("the frame has {0} bytes, over the limit of {MAX_FRAME_BYTES}")]
    TooLarge(usize),
    #[error("the frame cannot be encoded: {0}")]
    Encode(String),
    #[error("the frame cannot be decoded: {0}")]
    Decode(String),
    #[error("the frame has {0} bytes after its end")]
    Trailing(usize),
}

/// Encodes one frame.
///
/// # Errors
/// If the frame is over [`MAX_FRAME_BYTES`] or holds a type that bincode cannot carry.
pub fn encode<T: Serialize>(frame: &T) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::serde::encode_to_vec(frame, CONFIG)
        .map_err(|e| CodecError::Encode(e.to_string()))?;
    if bytes.len() > MAX_FRAME_BYTES {
        Err(CodecError::TooLarge(bytes.len()))
    } else {
        Ok(bytes)
    }
}

/// Decodes one frame; every byte must belong to it.
///
/// # Errors
/// If the bytes are too many, not a frame, or more than a frame.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > MAX_FRAME_BYTES {
        return Err(CodecError::TooLarge(bytes.len()));
    }
    let (frame, used) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|e| CodecError::Decode(e.to_string()))?;
    if used == bytes.len() {
        Ok(frame)
    } else {
        Err(CodecError::Trailing(bytes.len() - used))
    }
}
