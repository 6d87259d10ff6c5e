# Chooses a slot, as RAUC's U-Boot back end writes it into the environment: BOOT_ORDER, and for each slot how many tries are
# left (BOOT_A_LEFT, BOOT_B_LEFT). Each board's settings.cmd comes before this in boot.scr and sets `image`, `bootargs_board`,
# `keep`, which writes the environment, and, where the device tree comes from the slot, `fdtfile_slot` and `overlay_slot`.
# Numbers are hexadecimal to setexpr.

# A lost environment is made anew: every slot has its tries again.
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

# A counter that cannot be counted down is 0: better the other slot than this one for ever.
setenv slot
for name in ${BOOT_ORDER}; do
	if test -z "${slot}" -a "${name}" = A -a "${BOOT_A_LEFT}" -gt 0; then
		setenv slot A
		setenv number 2
		setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1 || setenv BOOT_A_LEFT 0
	fi
	if test -z "${slot}" -a "${name}" = B -a "${BOOT_B_LEFT}" -gt 0; then
		setenv slot B
		setenv number 3
		setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1 || setenv BOOT_B_LEFT 0
	fi
done
if test -z "${slot}"; then
	# One slot after the other, for ever, is better than none.
	echo "No slot has a try left: all of them get theirs again."
	setenv BOOT_ORDER "A B"
	setenv BOOT_A_LEFT 3
	setenv BOOT_B_LEFT 3
	run keep
	reset
fi
run keep || echo "The environment cannot be written: this start is not counted."

echo "Starting slot ${slot}."
setenv bootargs "rauc.slot=${slot} panic=5 quiet ${bootargs_board}"
setenv from "${devtype} ${devnum}:${number}"
setenv tree "${fdtcontroladdr}"
if load ${from} ${kernel_addr_r} ${image}; then
	if load ${from} ${ramdisk_addr_r} initramfs.img; then
		setenv ramdisk "${ramdisk_addr_r}:${filesize}"
		setenv whole yes
		if test -n "${fdtfile_slot}"; then
			setenv tree "${fdt_addr_r}"
			if load ${from} ${fdt_addr_r} ${fdtfile_slot}; then
				fdt addr ${fdt_addr_r}
				fdt resize 65536
				# Without the panel it still goes on air.
				if load ${from} ${scriptaddr} ${overlay_slot}; then
					fdt apply ${scriptaddr}
				fi
			else
				setenv whole
			fi
		fi
		test -z "${whole}" || booti ${kernel_addr_r} ${ramdisk} ${tree}
	fi
fi
echo "Slot ${slot} has nothing that starts."
sleep 3
reset
