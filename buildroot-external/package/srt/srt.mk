################################################################################
#
# srt
#
################################################################################

SRT_VERSION = 1.5.4
SRT_SITE = $(call github,Haivision,srt,v$(SRT_VERSION))
SRT_LICENSE = MPL-2.0
SRT_LICENSE_FILES = LICENSE
SRT_CPE_ID_VENDOR = haivision
SRT_CPE_ID_PRODUCT = secure_reliable_transport
SRT_INSTALL_STAGING = YES
SRT_DEPENDENCIES = host-pkgconf openssl
# The library alone. Its CMakeLists.txt asks for a CMake older than what CMake 4 still speaks.
SRT_CONF_OPTS = \
	-DCMAKE_POLICY_VERSION_MINIMUM=3.5 \
	-DENABLE_APPS=OFF \
	-DENABLE_STATIC=OFF \
	-DENABLE_UNITTESTS=OFF \
	-DUSE_ENCLIB=openssl

$(eval $(cmake-package))
