//! Where a client is: its address behind trusted proxies, and what it is counted by.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use ipnet::IpNet;

use super::config::InvalidSetting;

/// What an address is counted by: an IPv4 address, or the /64 of an IPv6 one, which is what one household gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressKey {
    /// The whole address.
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

impl From<IpAddr> for AddressKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(prefix) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*prefix) << 64)),
        }
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proxies whose `X-Forwarded-*` headers count.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Box<[IpNet]>);

impl TrustedProxies {
    /// From `TRUSTED_PROXIES`: addresses and CIDRs.
    ///
    /// # Errors
    /// Names the entry that is neither.
    pub fn new(written: &[String]) -> Result<Self, InvalidSetting> {
        let parse = |item: &String| {
            let net = item.parse::<IpNet>().ok().or_else(|| item.parse().ok().map(canonical_net));
            net.ok_or_else(|| {
                InvalidSetting::new("TRUSTED_PROXIES", format!("'{item}' is neither an address nor a CIDR"))
            })
        };
        written.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is one of the proxies.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client's address: the right-most entry of `X-Forwarded-For` that is not a trusted proxy, if the peer is one;
    /// else the peer's (PROTOCOL section 6). `forwarded` are the header's lines in their order. An entry that is no
    /// address ends the walk at the proxy that wrote it: what stands further left is hearsay.
    pub fn client(&self, peer: IpAddr, forwarded: &[&str]) -> IpAddr {
        let mut client = peer.to_canonical();
        let mut entries = forwarded.iter().rev().flat_map(|line| line.rsplit(','));
        while self.trusts(client) {
            match entries.next().and_then(entry) {
                Some(next) => client = next,
                None => break,
            }
        }
        client
    }

    /// Whether the client speaks TLS, by the last entry of `X-Forwarded-Proto` from a trusted proxy; this server itself
    /// speaks none. Decides `Secure` of the cookie.
    pub fn is_secure(&self, peer: IpAddr, forwarded_proto: Option<&str>) -> bool {
        let scheme = forwarded_proto.and_then(|line| line.rsplit(',').next());
        scheme.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https")) && self.trusts(peer)
    }
}

fn canonical_net(address: IpAddr) -> IpNet {
    address.to_canonical().into()
}

/// An address, with or without brackets and a port: some proxies write them.
fn entry(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(&["10.0.0.0/8".into(), "::1".into(), "192.168.1.1".into()]).unwrap()
    }

    fn client(peer: &str, forwarded: &[&str]) -> String {
        proxies().client(ip(peer), forwarded).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(TrustedProxies::default().client(ip("127.0.0.1"), &["1.2.3.4"]), ip("127.0.0.1"));
    }

    #[test]
    fn the_right_most_stranger_is_the_client() {
        assert_eq!(client("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "198.51.100.1", "10.0.0.2,192.168.1.1"]), "198.51.100.1");
        assert_eq!(client("::1", &["2001:db8::1"]), "2001:db8::1");
        assert_eq!(client("::ffff:10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["::ffff:198.51.100.1"]), "198.51.100.1");
    }

    #[test]
    fn garbage_ends_the_walk_and_no_stranger_leaves_the_first_proxy() {
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[""]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["6.6.6.6, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
    }

    #[test]
    fn the_settings_take_addresses_and_cidrs() {
        assert!(proxies().trusts(ip("10.255.0.1")) && !proxies().trusts(ip("192.168.1.2")));
        let error = TrustedProxies::new(&["nginx".into()]).unwrap_err();
        assert_eq!(error.to_string(), "TRUSTED_PROXIES: 'nginx' is neither an address nor a CIDR");
    }

    #[test]
    fn the_scheme_is_the_proxys_word() {
        let (proxy, stranger) = (ip("10.0.0.1"), ip("203.0.113.9"));
        assert!(proxies().is_secure(proxy, Some("https")));
        assert!(proxies().is_secure(proxy, Some("http, HTTPS")));
        assert!(!proxies().is_secure(proxy, Some("https, http")));
        assert!(!proxies().is_secure(stranger, Some("https")));
        assert!(!proxies().is_secure(proxy, None));
    }

    #[test]
    fn addresses_count_whole_or_by_64_bits() {
        let key = |text| AddressKey::from(ip(text));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:1.2.3.4"), key("1.2.3.4"));
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
        assert_eq!(key("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(size_of::<AddressKey>(), 16);
    }

    proptest! {
        #[test]
        fn a_client_cannot_choose_its_address(forged in "[0-9a-f.:, ]{0,60}", real: [u8; 4], hops in 0..4usize) {
            let real = IpAddr::from(real);
            prop_assume!(!proxies().trusts(real));
            let mut line = format!("{forged},{real}");
            (0..hops).for_each(|hop| line.push_str(&format!(", 10.0.0.{hop}")));
            prop_assert_eq!(proxies().client(ip("10.1.1.1"), &[&line]), real);
        }

        #[test]
        fn whatever_is_written_a_stranger_is_itself(lines in prop::collection::vec("\\PC{0,40}", 0..4), peer: u32) {
            let peer = IpAddr::from(Ipv4Addr::from_bits(peer));
            prop_assume!(!proxies().trusts(peer));
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            prop_assert_eq!(proxies().client(peer, &lines), peer);
        }
    }
}
