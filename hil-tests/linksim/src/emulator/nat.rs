//! The carrier's NAT, as far as anybody notices it: from a rebind on, the unit's UDP packets come from other ports.

use std::collections::HashMap;

/// The ports of one link.
#[derive(Debug, Default)]
pub(super) struct Nat {
    rebinds: u32,
    /// Empty until the first rebind: ports are the same inside and outside.
    outside: HashMap<u16, u16>,
    inside: HashMap<u16, u16>,
}

impl Nat {
    /// Forgets every mapping when the link has been rebound since: the next packet up makes a new one, and packets
    /// down to an old one end here.
    pub(super) fn follow(&mut self, rebinds: u32) {
        if rebinds != self.rebinds {
            self.rebinds = rebinds;
            self.outside.clear();
            self.inside.clear();
        }
    }

    /// A packet on its way from the unit.
    pub(super) fn outward(&mut self, packet: &mut [u8]) {
        if self.rebinds == 0 {
            return;
        }
        let Some(udp) = udp_header(packet) else { return };
        let inside = port(packet, udp);
        let outside = match self.outside.get(&inside) {
            Some(&outside) => outside,
            None => self.map(inside),
        };
        rewrite(packet, udp, udp, outside);
    }

    /// A packet on its way to the unit; false when it is for a port that leads nowhere.
    #[must_use]
    pub(super) fn inward(&self, packet: &mut [u8]) -> bool {
        if self.rebinds == 0 {
            return true;
        }
        let Some(udp) = udp_header(packet) else { return true };
        let Some(&inside) = self.inside.get(&port(packet, udp + 2)) else { return false };
        rewrite(packet, udp, udp + 2, inside);
        true
    }

    fn map(&mut self, inside: u16) -> u16 {
        let start = inside.wrapping_add((self.rebinds as u16).wrapping_mul(STRIDE));
        let ports = (0..=u16::MAX).map(|step| start.wrapping_add(step));
        let free = |&outside: &u16| outside >= FIRST_PORT && outside != inside && !self.inside.contains_key(&outside);
        // With all 64 thousand taken the oldest meaning of a port gives way.
        let outside = { ports }.find(free).unwrap_or(start);
        self.outside.insert(inside, outside);
        self.inside.insert(outside, inside);
        outside
    }
}

/// Where the UDP header starts; `None` for anything that has none, such as a later fragment.
fn udp_header(packet: &[u8]) -> Option<usize> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let fragment_offset = u16::from_be_bytes([packet.get(6)? & 0x1f, *packet.get(7)?]);
    let is_udp = packet[0] >> 4 == 4 && header >= 20 && *packet.get(9)? == UDP && fragment_offset == 0;
    (is_udp && packet.len() >= header + 8).then_some(header)
}

fn port(packet: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([packet[at], packet[at + 1]])
}

/// Changes one port and, by RFC 1624, the checksum over it. A checksum of zero means there is none.
fn rewrite(packet: &mut [u8], udp: usize, at: usize, new: u16) {
    let old = port(packet, at);
    packet[at..at + 2].copy_from_slice(&new.to_be_bytes());
    let checksum = port(packet, udp + 6);
    if checksum == 0 {
        return;
    }
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !(sum as u16);
    packet[udp + 6..udp + 8].copy_from_slice(&(if sum == 0 { 0xffff } else { sum }).to_be_bytes());
}

const UDP: u8 = 17;
/// Ports below are not given out by any NAT worth imitating.
const FIRST_PORT: u16 = 1_024;
/// Far enough that the new ports of a unit do not meet its old ones.
const STRIDE: u16 = 7_919;

#[cfg(test)]
mod tests {
    use super::*;

    /// A UDP packet with a true checksum.
    fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, UDP, 0, 0, 10, 66, 1, 2, 10, 99, 0, 1];
        packet.extend([source.to_be_bytes(), destination.to_be_bytes()].concat());
        packet.extend(((8 + payload.len()) as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(payload);
        let sum = match full_sum(&packet) {
            0 => 0xffff,
            sum => sum,
        };
        packet[26..28].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// The checksum by RFC 768, over pseudo header and datagram: zero when the packet carries a right one.
    fn full_sum(packet: &[u8]) -> u16 {
        let udp = &packet[20..];
        let mut words = packet[12..20].to_vec();
        words.extend([0, UDP]);
        words.extend((udp.len() as u16).to_be_bytes());
        words.extend(udp);
        words.resize(words.len().next_multiple_of(2), 0);
        let mut sum: u32 = words.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn before_a_rebind_nothing_changes() {
        let (mut nat, mut packet) = (Nat::default(), datagram(4000, 7000, b"hello"));
        nat.outward(&mut packet);
        assert_eq!(packet, datagram(4000, 7000, b"hello"));
        assert!(nat.inward(&mut packet));
        assert_eq!(packet, datagram(4000, 7000, b"hello"));
    }

    #[test]
    fn a_rebind_changes_the_port_for_good_and_back_again_for_replies() {
        let mut nat = Nat::default();
        nat.follow(1);
        let mut first = datagram(4000, 7000, b"odd length!");
        nat.outward(&mut first);
        let outside = port(&first, 20);
        assert_ne!(outside, 4000);
        assert_eq!((port(&first, 22), full_sum(&first)), (7000, 0));
        let mut second = datagram(4000, 7000, b"again");
        nat.outward(&mut second);
        assert_eq!(port(&second, 20), outside, "a mapping lasts");

        let mut reply = datagram(7000, outside, b"reply");
        assert!(nat.inward(&mut reply));
        assert_eq!((port(&reply, 22), full_sum(&reply)), (4000, 0));
        assert!(!nat.inward(&mut datagram(7000, 4000, b"to the old port")));

        nat.follow(2);
        assert!(!nat.inward(&mut datagram(7000, outside, b"to the port before")));
        let mut third = datagram(4000, 7000, b"moved again");
        nat.outward(&mut third);
        assert!(![4000, outside].contains(&port(&third, 20)));
    }

    #[test]
    fn two_ports_never_share_one_outside() {
        let mut nat = Nat::default();
        nat.follow(9);
        let mut seen = std::collections::HashSet::new();
        for inside in (0..60_000).step_by(7) {
            let mut packet = datagram(inside, 7000, b"");
            nat.outward(&mut packet);
            assert!(seen.insert(port(&packet, 20)), "{inside} shares {}", port(&packet, 20));
            assert_eq!(full_sum(&packet), 0);
        }
    }

    #[test]
    fn what_has_no_port_passes_unchanged() {
        let mut nat = Nat::default();
        nat.follow(1);
        let whole = datagram(4000, 7000, b"hello");
        let mut fragment = whole.clone();
        fragment[7] = 1;
        let mut tcp = whole.clone();
        tcp[9] = 6;
        let mut no_checksum = whole.clone();
        no_checksum[26..28].fill(0);
        for packet in [&fragment, &tcp, &whole[..24].to_vec(), &vec![], &vec![0x60; 60], &vec![0x4f; 30]] {
            let mut after = packet.clone();
            nat.outward(&mut after);
            assert!(nat.inward(&mut after));
            assert_eq!(&after, packet);
        }
        nat.outward(&mut no_checksum);
        assert_eq!(port(&no_checksum, 26), 0, "absent stays absent");
    }
}
