//! Emulated cellular links: a pure model in virtual time, and a TUN emulator around it.
