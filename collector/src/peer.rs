use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{IpRule, Network};

/// The sender's address: the peer, or what `X-Forwarded-For` says as far as it comes from trusted
/// proxies. Read from the right, because only the right end was written by somebody we trust.
pub(crate) fn sender<'h>(
    peer: Option<IpAddr>,
    forwarded: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[Network],
) -> Option<IpAddr> {
    let mut address = peer?.to_canonical();
    for hop in forwarded.flat_map(|header| header.split(',')).rev() {
        if !trusted.iter().any(|n| n.contains(address)) {
            break;
        }
        let Some(next) = parse_hop(hop.trim()) else { break };
        address = next.to_canonical();
    }
    Some(address)
}

/// An address, with or without a port or brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Ok(with_port) = text.parse::<std::net::SocketAddr>() {
        return Some(with_port.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl IpRule {
    /// What is kept of an address.
    pub(crate) fn apply(self, ip: IpAddr) -> Option<IpAddr> {
        match (self, ip) {
            (Self::Keep, ip) => Some(ip),
            (Self::Drop, _) => None,
            (Self::Truncate, IpAddr::V4(ip)) => Some(Ipv4Addr::from_bits(ip.to_bits() & !0xff).into()),
            (Self::Truncate, IpAddr::V6(ip)) => Some(Ipv6Addr::from_bits(ip.to_bits() >> 80 << 80).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_hops_are_believed() {
        let check = |peer: &str, forwarded: &[&str], expect: &str| {
            let trusted = ["10.0.0.0/8".parse().unwrap()];
            let got = sender(peer.parse().ok(), forwarded.iter().copied(), &trusted);
            assert_eq!(got.unwrap().to_string(), expect, "{peer} {forwarded:?}");
        };
        check("9.9.9.9", &["1.1.1.1"], "9.9.9.9");
        check("10.0.0.1", &["1.1.1.1"], "1.1.1.1");
        check("10.0.0.1", &["6.6.6.6, 1.1.1.1:443", "10.0.0.2"], "1.1.1.1");
        check("::ffff:10.0.0.1", &["[2001:db8::1]"], "2001:db8::1");
        check("10.0.0.1", &["nonsense"], "10.0.0.1");
        assert_eq!(sender(None, std::iter::once("1.1.1.1"), &[]), None);
    }

    #[test]
    fn the_ip_rule_keeps_cuts_or_drops() {
        let check = |rule: IpRule, ip: &str, expect: Option<&str>| {
            assert_eq!(rule.apply(ip.parse().unwrap()).map(|i| i.to_string()).as_deref(), expect);
        };
        check(IpRule::Keep, "1.2.3.4", Some("1.2.3.4"));
        check(IpRule::Truncate, "1.2.3.4", Some("1.2.3.0"));
        check(IpRule::Truncate, "2001:db8:1:2::3", Some("2001:db8:1::"));
        check(IpRule::Drop, "1.2.3.4", None);
    }
}
