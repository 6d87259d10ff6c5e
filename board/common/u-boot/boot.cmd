# Chooses a slot, as RAUC's U-Boot back end writes it into the environment: BOOT_ORDER, and for each slot how many tries are
# left (BOOT_A_LEFT, BOOT_B_LEFT). Each board's settings.cmd comes before this in boot.scr and sets `image`, `bootargs_board`,
# `keep`, which writes the environment, and, where the device tree comes from the slot, `fdtfile_slot` and `overlay_slot`.
# Numbers are hexadecimal to setexpr. Names of loops are no variables of the environment: one that is kept there would hide them.

# A lost environment is made anew: every slot has its tries again.
test -n "${BOOT_ORDER}" || setenv BOOT_ORDER "A B"
test -n "${BOOT_A_LEFT}" || setenv BOOT_A_LEFT 3
test -n "${BOOT_B_LEFT}" || setenv BOOT_B_LEFT 3

# Where in memory things go: what it has lost is as U-Boot was built.
if test -z "${kernel_addr_r}"; then
	echo "kernel_addr_r is not set: it gets its default."
	env default kernel_addr_r
fi
if test -z "${ramdisk_addr_r}"; then
	echo "ramdisk_addr_r is not set: it gets its default."
	env default ramdisk_addr_r
fi
if test -n "${fdtfile_slot}" -a -z "${fdt_addr_r}"; then
	echo "fdt_addr_r is not set: it gets its default."
	env default fdt_addr_r
fi
if test -z "${scriptaddr}"; then
	echo "scriptaddr is not set: it gets its default."
	env default scriptaddr
fi

setenv tried
for round in first second; do
	if test -z "${tried}"; then
		if test "${round}" = second; then
			# One slot after the other, for ever, is better than none. Nothing restarts for it: where the environment cannot be
			# written, it would be found as it was.
			echo "No slot has a try left: all of them get theirs again."
			setenv BOOT_ORDER "A B"
			setenv BOOT_A_LEFT 3
			setenv BOOT_B_LEFT 3
		fi
		for name in ${BOOT_ORDER}; do
			# A counter that cannot be counted down is 0: better the other slot than this one for ever.
			setenv number
			if test "${name}" = A -a "${BOOT_A_LEFT}" -gt 0; then
				setenv number 2
				setexpr BOOT_A_LEFT ${BOOT_A_LEFT} - 1 || setenv BOOT_A_LEFT 0
			fi
			if test "${name}" = B -a "${BOOT_B_LEFT}" -gt 0; then
				setenv number 3
				setexpr BOOT_B_LEFT ${BOOT_B_LEFT} - 1 || setenv BOOT_B_LEFT 0
			fi
			if test -n "${number}"; then
				setenv tried yes
				run keep || echo "The environment cannot be written: this start is not counted."
				echo "Starting slot ${name}."
				setenv bootargs "rauc.slot=${name} panic=5 quiet ${bootargs_board}"
				setenv from "${devtype} ${devnum}:${number}"
				if load ${from} ${kernel_addr_r} ${image}; then
					if load ${from} ${ramdisk_addr_r} initramfs.img; then
						setenv ramdisk "${ramdisk_addr_r}:${filesize}"
						setenv tree "${fdtcontroladdr}"
						if test -n "${fdtfile_slot}"; then
							setenv tree
							if load ${from} ${fdt_addr_r} ${fdtfile_slot}; then
								setenv tree "${fdt_addr_r}"
								fdt addr ${fdt_addr_r}
								fdt resize 65536
								# Without the panel it still goes on air; an overlay that does not apply spoils the tree.
								if load ${from} ${scriptaddr} ${overlay_slot}; then
									fdt apply ${scriptaddr} || load ${from} ${fdt_addr_r} ${fdtfile_slot}
								fi
							fi
						fi
						test -z "${tree}" || booti ${kernel_addr_r} ${ramdisk} ${tree}
					fi
				fi
				# What cannot be loaded now gives way now.
				echo "Slot ${name} has nothing that starts."
			fi
		done
	fi
done
sleep 3
reset
