# SPDX-License-Identifier: Apache-2.0
# Builds xtables-legacy-multi (iptables by its older interface) as one static program with its extensions built in.
#
#     make -C FOLDER-OF-THE-SOURCES -f iptables.mk
#
# Upstream's configure takes longer than the compiler, so what it would find out is written here: a Linux with current
# kernel headers.

CC = gcc
CFLAGS = -Os -w -ffunction-sections -fdata-sections
LDFLAGS = -static -s -Wl,--gc-sections,--build-id=none

version := $(shell sed -n 's/^AC_INIT(\[iptables\], \[\(.*\)\])$$/\1/p' configure.ac)
defines = -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -D_REENTRANT -DXTABLES_INTERNAL -DXTABLES_LIBDIR='"/usr/lib/xtables"' \
	-DPACKAGE_NAME='"iptables"' -DPACKAGE_VERSION='"$(version)"' -DXT_LOCK_NAME='"/run/xtables.lock"' \
	-DXTABLES_VERSION='"libxtables.so.12"' -DXTABLES_VERSION_CODE=12 -DNO_SHARED_LIBS=1 -DALL_INCLUSIVE \
	-DENABLE_IPV4 -DENABLE_IPV6 -DSIZEOF_STRUCT_IP6_HDR=40 \
	-DHAVE_LINUX_BPF_H -DHAVE_LINUX_DCCP_H -DHAVE_LINUX_IP_VS_H -DHAVE_LINUX_MAGIC_H
includes = -Iinclude -I. -Iiptables -Iextensions

# connlabel needs libnetfilter_conntrack.
extensions = $(filter-out libxt_connlabel,$(basename $(notdir $(sort $(wildcard extensions/lib$(1)_*.c)))))
xt := $(call extensions,xt)
ipt := $(call extensions,ipt)
ip6t := $(call extensions,ip6t)
programs = iptables-xml xshared xtables-legacy-multi iptables-restore iptables-save iptables-standalone iptables \
	ip6tables-standalone ip6tables
objects = $(addsuffix .o,$(xt) $(ipt) $(ip6t) $(programs) xtables xtoptions getethertype libip4tc libip6tc register)

vpath %.c extensions libxtables libiptc iptables

xtables-legacy-multi: $(objects)
	$(CC) $(LDFLAGS) -o $@ $^ -lm

%.o: %.c config.h include/xtables-version.h
	$(CC) $(defines) $(includes) $(CFLAGS) -c -o $@ $<

# An extension's entry point has the extension's name.
$(addsuffix .o,$(xt) $(ipt) $(ip6t)): defines += -D_INIT=$*_init

# What configure would have written is on the command line.
config.h include/xtables-version.h:
	touch $@

# The functions that register each family's extensions.
register.c:
	for family in 'extensions:$(xt)' 'extensions4:$(ipt)' 'extensions6:$(ip6t)'; do \
		printf 'extern void %s_init(void);\n' $${family#*:}; \
		echo "void init_$${family%%:*}(void) {"; printf '\t%s_init();\n' $${family#*:}; echo '}'; \
	done >$@
