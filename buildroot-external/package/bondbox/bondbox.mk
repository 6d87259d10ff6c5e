################################################################################
#
# bondbox
#
################################################################################

BONDBOX_VERSION = 0.1.0
BONDBOX_TOP = $(realpath $(BR2_EXTERNAL_BONDBOX_PATH)/..)
BONDBOX_SITE = $(BONDBOX_TOP)
BONDBOX_SITE_METHOD = local
BONDBOX_LICENSE = Apache-2.0
BONDBOX_LICENSE_FILES = LICENSE
BONDBOX_REDISTRIBUTE = NO
BONDBOX_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /target --exclude node_modules
BONDBOX_DEPENDENCIES = host-clang host-pkgconf gstreamer1 gst1-plugins-base udev

# Crates are vendored before the build, by buildroot-external/vendor: a local site is copied and never vendored by Buildroot,
# and the build has no network. The flags name them, since nothing in .cargo/config.toml would survive.
BONDBOX_VENDOR = $(BONDBOX_TOP)/target/image/vendor
BONDBOX_CARGO_BUILD_OPTS = \
	$(addprefix --package ,$(BONDBOX_PROGRAMS)) \
	--config 'source.crates-io.replace-with="vendored"' \
	--config 'source.vendored.directory="$(BONDBOX_VENDOR)"'

# The programs that the units of the overlay start, the one that the initramfs of a Raspberry Pi takes, and the one for people.
BONDBOX_UNITS = $(wildcard $(BONDBOX_TOP)/overlay/usr/lib/systemd/system/bondbox-*.service)
BONDBOX_STARTED = $(sort $(shell sed -n 's|^ExecStart=/usr/bin/\(bondbox-[a-z]*\).*|\1|p' $(BONDBOX_UNITS)))
BONDBOX_PROGRAMS = bondbox-restart bondboxctl \
	$(filter-out $(if $(BR2_PACKAGE_BONDBOX_GATEWAY),,bondbox-gateway),$(BONDBOX_STARTED))

# bindgen reads the target's V4L2 headers with the host's libclang, which has to be told where they are. The C half of the TLS
# library has parts that run on the host.
BONDBOX_CARGO_ENV = \
	LIBCLANG_PATH=$(HOST_DIR)/lib \
	BINDGEN_EXTRA_CLANG_ARGS="--target=$(RUSTC_TARGET_NAME) --sysroot=$(STAGING_DIR)" \
	HOST_CC="$(HOSTCC)" \
	PKG_CONFIG_ALLOW_CROSS=1

define BONDBOX_NEEDS_VENDORED_CRATES
	test -d $(BONDBOX_VENDOR) || \
		{ echo "bondbox: $(BONDBOX_VENDOR) is missing: buildroot-external/vendor makes it" >&2; exit 1; }
endef
BONDBOX_PRE_BUILD_HOOKS += BONDBOX_NEEDS_VENDORED_CRATES

ifeq ($(BR2_PACKAGE_BONDBOX_GATEWAY),y)
define BONDBOX_NEEDS_ITS_PAGE
	test -f $(@D)/services/gateway/page/dist/index.html || \
		{ echo "bondbox: the gateway's page is missing: make page makes it" >&2; exit 1; }
endef
BONDBOX_PRE_BUILD_HOOKS += BONDBOX_NEEDS_ITS_PAGE
endif

define BONDBOX_INSTALL_TARGET_CMDS
	$(foreach program,$(BONDBOX_PROGRAMS), \
		$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/$(program) \
			$(TARGET_DIR)/usr/bin/$(program)
	)
endef

$(eval $(cargo-package))
