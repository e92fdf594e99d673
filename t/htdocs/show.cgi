#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The app behind the module in tests: its environment, sorted.
printf 'Content-Type: text/plain; charset=utf-8\r\n\r\n'
env | LC_ALL=C sort
