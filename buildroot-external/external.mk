include $(sort $(wildcard $(BR2_EXTERNAL_BONDBOX_PATH)/package/*/*.mk))

# GStreamer has srtsrc and srtsink, and upstream has no srt to build them with. The order rule is needed besides: a package's
# dependencies are read where its own file is, which was before this line.
ifeq ($(BR2_PACKAGE_SRT)$(BR2_PACKAGE_GST1_PLUGINS_BAD),yy)
GST1_PLUGINS_BAD_CONF_OPTS += -Dsrt=enabled
GST1_PLUGINS_BAD_DEPENDENCIES += srt
$(GST1_PLUGINS_BAD_TARGET_CONFIGURE): | srt
endif

# What changes with each build comes last in the root, so that an update needs little more than that.
ROOTFS_SQUASHFS_ARGS += -sort $(BR2_EXTERNAL_BONDBOX_PATH)/../board/common/squashfs.sort
