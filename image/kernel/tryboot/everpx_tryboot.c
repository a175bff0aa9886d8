// SPDX-License-Identifier: GPL-2.0
/*
 * Tells the firmware of a Raspberry Pi that the start which follows is to be tried once: reboot "0 tryboot".
 *
 * Debian's kernel ignores those words.  Here they mean what they mean to Raspberry Pi's own kernel: a partition, then
 * flags with a space before each.  The firmware forgets the flag at the start that it is for, and in a power cut.
 */
#include <linux/module.h>
#include <linux/of.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

#define SET_REBOOT_FLAGS 0x00038064 /* younger than this kernel's list of tags */
#define TRYBOOT 1

static struct rpi_firmware *firmware;

static int tell(struct notifier_block *self, unsigned long action, void *argument)
{
	u32 flags = TRYBOOT;
	int failed;

	if (action != SYS_RESTART || !argument || !strstr(argument, " tryboot"))
		return NOTIFY_DONE;
	failed = rpi_firmware_property(firmware, SET_REBOOT_FLAGS, &flags, sizeof(flags));
	if (failed)
		pr_err("everpx_tryboot: the firmware does not take it (%d), so the slot that ran starts\n", failed);
	return NOTIFY_DONE;
}

static struct notifier_block restarts = { .notifier_call = tell };

static int __init begin(void)
{
	struct device_node *node = rpi_firmware_find_node();
	int failed;

	firmware = node ? rpi_firmware_get(node) : NULL;
	of_node_put(node);
	if (!firmware)
		return -ENODEV;
	failed = register_reboot_notifier(&restarts);
	if (failed)
		rpi_firmware_put(firmware);
	return failed;
}
module_init(begin);

static void __exit end(void)
{
	unregister_reboot_notifier(&restarts);
	rpi_firmware_put(firmware);
}
module_exit(end);

/* udev loads it where the device tree names such a firmware, and nowhere else */
static const struct of_device_id boards[] = { { .compatible = "raspberrypi,bcm2835-firmware" }, {} };
MODULE_DEVICE_TABLE(of, boards);
MODULE_DESCRIPTION("reboot \"0 tryboot\" for a Raspberry Pi");
MODULE_LICENSE("GPL");
