//! The stored form of a folded record: one compact, canonical blob, so that equal folds are equal
//! bytes. Stamps are kept once and referred to by number.

use model::{CodecError, Decoder, Encoder};

use crate::{
    RecordOrigin,
    fold::{Folded, RawLink, RawTrait, Stamp},
};

const FORMAT: u8 = 1;

/// Identifier types that events give; stored as a number. Append only.
const KNOWN_TYPES: [&str; 6] = ["user_id", "anonymous_id", "email", "phone", "device_id", "advertising_id"];

pub(crate) fn encode(folded: &Folded<'_>) -> Vec<u8> {
    let stamps = distinct_stamps(folded);
    let number = |stamp: &Stamp<'_>| stamps.binary_search(stamp).map_or(0, |n| n as u64);
    let since = |at: i64| at.wrapping_sub(folded.first_seen) as u64;
    let mut out = Encoder::with_capacity(64 + 48 * (stamps.len() + folded.links.len() + folded.traits.len()));
    out.u8(FORMAT).u8(folded.kind as u8).i64(folded.first_seen).u64(since(folded.last_seen));
    out.u64(stamps.len() as u64);
    for stamp in &stamps {
        out.u64(since(stamp.at)).text(stamp.msg);
    }
    out.u64(folded.row.as_ref().map_or(0, |row| number(row) + 1));
    out.u64(folded.links.len() as u64);
    for link in &folded.links {
        match KNOWN_TYPES.iter().position(|known| *known == link.name) {
            Some(known) => out.u64(known as u64 + 1),
            None => out.u64(0).text(link.name),
        };
        out.text(link.raw).u64(since(link.first)).u64(number(&link.last));
    }
    out.u64(folded.traits.len() as u64);
    for stated in &folded.traits {
        out.text(stated.name).u64(number(&stated.stamp));
        out.option(stated.json, |out, json| {
            out.text(json);
        });
    }
    out.finish()
}

fn distinct_stamps<'a>(folded: &Folded<'a>) -> Vec<Stamp<'a>> {
    let links = folded.links.iter().map(|l| l.last);
    let mut stamps: Vec<Stamp<'a>> =
        links.chain(folded.traits.iter().map(|t| t.stamp)).chain(folded.row).collect();
    stamps.sort_unstable();
    stamps.dedup();
    stamps
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Folded<'_>, CodecError> {
    let mut input = Decoder::new("identity record", bytes);
    if input.u8()? != FORMAT {
        return Err(input.error());
    }
    let kind = match input.u8()? {
        0 => RecordOrigin::Anonymous,
        1 => RecordOrigin::Known,
        2 => RecordOrigin::Row,
        _ => return Err(input.error()),
    };
    let first_seen = input.i64()?;
    let last_seen = first_seen.wrapping_add(input.u64()? as i64);
    let stamps = read_list(&mut input, |input| {
        let at = first_seen.wrapping_add(input.u64()? as i64);
        Ok(Stamp { at, msg: input.text()? })
    })?;
    let row = match input.u64()? {
        0 => None,
        number => Some(stamp_at(&stamps, number - 1, &input)?),
    };
    let links = read_list(&mut input, |input| {
        let name = match input.u64()? {
            0 => input.text()?,
            known => KNOWN_TYPES.get(known as usize - 1).ok_or_else(|| input.error())?,
        };
        let raw = input.text()?;
        let first = first_seen.wrapping_add(input.u64()? as i64);
        let number = input.u64()?;
        Ok(RawLink { name, raw, first, last: stamp_at(&stamps, number, input)? })
    })?;
    let traits = read_list(&mut input, |input| {
        let name = input.text()?;
        let number = input.u64()?;
        let json = input.option(Decoder::text)?;
        Ok(RawTrait { name, json, stamp: stamp_at(&stamps, number, input)? })
    })?;
    if !input.is_empty() {
        return Err(input.error());
    }
    Ok(Folded { kind, first_seen, last_seen, row, links, traits })
}

fn read_list<'a, T>(
    input: &mut Decoder<'a>,
    read: impl Fn(&mut Decoder<'a>) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = input.u64()?;
    // A damaged count must not reserve memory: there is at least one byte for each item.
    let mut items = Vec::with_capacity(usize::try_from(count).unwrap_or(0).min(64));
    for _ in 0..count {
        items.push(read(input)?);
    }
    Ok(items)
}

fn stamp_at<'a>(stamps: &[Stamp<'a>], number: u64, input: &Decoder<'_>) -> Result<Stamp<'a>, CodecError> {
    stamps.get(number as usize).copied().ok_or_else(|| input.error())
}
