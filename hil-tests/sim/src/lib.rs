//! Both ends of the bond over modelled links in virtual time.
