use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};

/// A range of addresses, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// An address inside it.
    pub address: IpAddr,
    /// Length of the fixed prefix in bits.
    pub prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address and a prefix length such as 10.0.0.0/8")]
pub struct ParseNetworkError;

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').ok_or(ParseNetworkError)?;
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let prefix = prefix.parse().map_err(|_| ParseNetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix > longest { Err(ParseNetworkError) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

/// Which addresses a webhook may connect to (`reliability.md` §6). Applied where the connection is
/// made, so that a name which resolves to another address the second time gains nothing.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    allowed: Vec<Network>,
    /// https on 443 or 8443: public addresses too.
    public: bool,
}

/// An address that webhooks must not reach.
#[derive(Debug, thiserror::Error)]
#[error("the address is not allowed for webhooks")]
pub(crate) struct Blocked;

impl Policy {
    /// The policy for a URL; its literal address, if it has one, is checked at once.
    pub(crate) fn for_url(url: &Url, allowed: &[Network]) -> Result<Self, &'static str> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("its URL is neither https nor http");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("its URL carries a user name");
        }
        let port = url.port_or_known_default();
        let public = url.scheme() == "https" && matches!(port, Some(443 | 8443));
        let policy = Self { allowed: allowed.to_vec(), public };
        let host = url.host_str().ok_or("its URL has no host")?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) if !policy.permits(address) => Err("its address is not allowed"),
            _ if !public && allowed.is_empty() => Err("its URL is not https on port 443 or 8443"),
            _ => Ok(policy),
        }
    }

    pub(crate) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(address)) || self.public && is_public(address)
    }
}

impl Resolve for Policy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Vec<SocketAddr> = found.filter(|found| policy.permits(found.ip())).collect();
            if permitted.is_empty() {
                return Err(Blocked.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && b & 0xc0 == 64)
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18))
}

/// Only 2000::/3 is given out; within it, what embeds other addresses or is set apart is blocked.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    s[0] & 0xe000 == 0x2000
        // 2001::/23 (Teredo, benchmarking, ORCHID), documentation, 6to4, SRv6.
        && !(s[0] == 0x2001 && s[1] < 0x0200)
        && !(s[0] == 0x2001 && s[1] == 0x0db8)
        && s[0] != 0x2002
        && !(s[0] == 0x3fff && s[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, allowed: &[&str], expect: bool) {
        let allowed: Vec<Network> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let url: Url = url.parse().unwrap();
        assert_eq!(Policy::for_url(&url, &allowed).is_ok(), expect, "{url} {allowed:?}");
    }

    #[test]
    fn addresses_that_are_not_public_are_refused() {
        for host in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.1",
            "240.0.0.1",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[2001:db8::1]",
            "[100::1]",
            "[2002:7f00:1::]",
            "[64:ff9b::7f00:1]",
            "[5f00::1]",
            "[3fff::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:10.0.0.1]",
            "[ff02::1]",
            "[2001::1]",
        ] {
            check(&format!("https://{host}/hook"), &[], false);
        }
        for host in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "[2606:4700::1111]",
            "shop.example",
        ] {
            check(&format!("https://{host}/hook"), &[], true);
        }
    }

    #[test]
    fn only_https_on_its_ports_unless_the_network_is_opened() {
        check("http://8.8.8.8/", &[], false);
        check("https://8.8.8.8:8443/", &[], true);
        check("https://8.8.8.8:22/", &[], false);
        check("http://127.0.0.1:8080/", &["127.0.0.0/8"], true);
        check("http://10.1.2.3/", &["127.0.0.0/8", "10.1.0.0/16"], true);
        check("http://10.2.0.1/", &["10.1.0.0/16"], false);
        check("http://[::ffff:127.0.0.1]/", &["127.0.0.0/8"], true);
        check("http://8.8.8.8/", &["127.0.0.0/8"], false);
        check("ftp://8.8.8.8/", &[], false);
        check("https://user:pw@shop.example/", &[], false);
    }

    #[test]
    fn a_name_in_clear_text_reaches_opened_networks_alone() {
        let url: Url = "http://inside.example/".parse().unwrap();
        let policy = Policy::for_url(&url, &["10.0.0.0/8".parse().unwrap()]).unwrap();
        assert!(policy.permits([10, 1, 1, 1].into()) && !policy.permits([8, 8, 8, 8].into()));
    }
}
