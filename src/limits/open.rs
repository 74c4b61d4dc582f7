//! How many connections an address has open.

use std::sync::Arc;

use dashmap::{DashMap, Entry};

use crate::{
    auth::address::AddressKey,
    protocol::{error::Refusal, ids::Millis},
};

/// What one is told to wait, in milliseconds: a connection of one's own has to end first.
const RETRY_AFTER_MS: Millis = 5_000;

/// Counts open connections by address. An address without any takes no room.
pub struct OpenPerAddress {
    open: DashMap<AddressKey, u32>,
    /// 0 = no limit.
    max: u32,
}

impl OpenPerAddress {
    /// At most `max` for each address; 0 = no limit.
    pub fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { open: DashMap::new(), max })
    }

    /// Counts a connection of `address` until the guard is dropped.
    ///
    /// # Errors
    /// `rate_limited` when the address has as many as it may.
    pub fn open(self: &Arc<Self>, address: AddressKey) -> Result<OpenGuard, Refusal> {
        if self.max == 0 {
            return Ok(OpenGuard(None));
        }
        let mut count = self.open.entry(address).or_insert(0);
        if *count >= self.max {
            return Err(Refusal::rate_limited("too many connections are open from this address", RETRY_AFTER_MS));
        }
        *count += 1;
        Ok(OpenGuard(Some((Arc::clone(self), address))))
    }

    /// How many addresses have connections open.
    pub fn addresses(&self) -> usize {
        self.open.len()
    }

    /// Gives the memory of addresses that left back.
    pub fn sweep(&self) {
        self.open.shrink_to_fit();
    }

    fn close(&self, address: AddressKey) {
        if let Entry::Occupied(mut entry) = self.open.entry(address) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// A counted connection; dropping it counts it out.
#[must_use = "dropping the guard counts the connection out"]
pub struct OpenGuard(Option<(Arc<OpenPerAddress>, AddressKey)>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        if let Some((open, address)) = &self.0 {
            open.close(*address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;

    #[test]
    fn an_address_has_at_most_so_many_and_none_is_forgotten() {
        let open = OpenPerAddress::new(2);
        let (one, other) = (AddressKey::V6(1), AddressKey::V6(2));
        let guards = [open.open(one).unwrap(), open.open(one).unwrap()];
        let refusal = open.open(one).err().unwrap();
        assert_eq!((refusal.code, refusal.retry_after_ms), (ErrorCode::RateLimited, Some(RETRY_AFTER_MS)));
        let _other = open.open(other).unwrap();
        assert_eq!(open.addresses(), 2);
        drop(guards);
        open.sweep();
        assert_eq!(open.addresses(), 1);
    }

    #[test]
    fn threads_count_right() {
        let open = OpenPerAddress::new(u32::MAX);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| drop(open.open(AddressKey::V6(1)).unwrap())));
            }
        });
        assert!(open.addresses() == 0);
    }

    #[test]
    fn the_guard_is_small() {
        assert!(size_of::<OpenGuard>() <= 24);
    }
}
