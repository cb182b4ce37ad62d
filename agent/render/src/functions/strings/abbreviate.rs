//! Texts cut with an ellipsis.

use super::super::{Args, Env};
use super::cut::{charge_lossy, lossy};
use super::same;
use crate::error::Fault;
use crate::value::Value;

const ELLIPSIS: &[u8] = b"...";

/// `abbrev WIDTH S`: as it is if WIDTH is below 4.
pub(super) fn abbrev(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (width, text) = (args.int(0)?, args.str(1)?);
    match short(text, width, 4) {
        Some(width) => written(env, head(text.as_bytes(), width)),
        None => same(args, 1),
    }
}

/// `abbrevboth OFFSET WIDTH S`: from about OFFSET on, with an ellipsis on both sides.
pub(super) fn abbrevboth(args: Args<'_>, env: &mut Env<'_>) -> Result<Value, Fault> {
    let (offset, width, text) = (args.int(0)?, args.int(1)?, args.str(2)?);
    let least = if offset > 0 { 7 } else { 4 };
    let Some(width) = short(text, width, least) else {
        return same(args, 2);
    };
    let bytes = text.as_bytes();
    let kept = width.saturating_sub(ELLIPSIS.len());
    let last = bytes.len().saturating_sub(kept);
    let offset = usize::try_from(offset).unwrap_or(0).min(last);
    if offset <= 4 {
        return written(env, head(bytes, width));
    }
    let tail = bytes.get(offset..).unwrap_or_default();
    let mut out = ELLIPSIS.to_vec();
    if tail.len() > kept {
        out.extend(head(tail, kept));
    } else {
        out.extend(tail);
    }
    written(env, out)
}

/// The width, if it is at least `least` and the text is longer.
fn short(text: &str, width: i64, least: usize) -> Option<usize> {
    let width = usize::try_from(width).ok()?;
    (width >= least && text.len() > width).then_some(width)
}

/// As many bytes as leave room for the ellipsis, and that.
fn head(bytes: &[u8], width: usize) -> Vec<u8> {
    let kept = width.saturating_sub(ELLIPSIS.len());
    let mut out = bytes.get(..kept).unwrap_or(bytes).to_vec();
    out.extend(ELLIPSIS);
    out
}

fn written(env: &mut Env<'_>, bytes: Vec<u8>) -> Result<Value, Fault> {
    charge_lossy(env, bytes.len())?;
    Ok(lossy(&bytes))
}
