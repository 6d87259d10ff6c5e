setenv image Image
setenv fdtfile_slot rk3588-orangepi-5-plus.dtb
setenv overlay_slot bondbox-panel-orangepi5plus.dtbo
setenv bootargs_board "console=ttyS2,1500000"
# Twice, by U-Boot itself: u-boot.fragment.
setenv keep saveenv
