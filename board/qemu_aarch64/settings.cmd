setenv image Image
setenv fdtfile_slot
setenv bootargs_board "console=ttyAMA0,115200"
