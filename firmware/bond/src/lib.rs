//! The bonding engine: a sender and a receiver without sockets, threads or clocks.
