setenv image Image
setenv fdtfile_slot
setenv bootargs_board "console=ttyAMA0,115200"
# A file beside this one, which Linux reaches; U-Boot's own environment is in a flash that Linux does not.
setenv keep 'env export -c -s 0x10000 ${ramdisk_addr_r} BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT && fatwrite ${devtype} ${devnum}:1 ${ramdisk_addr_r} uboot.env 0x10000'
load ${devtype} ${devnum}:1 ${ramdisk_addr_r} uboot.env && env import -c ${ramdisk_addr_r} 0x10000 BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT
