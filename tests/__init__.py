"""Tests of Everpx: three floors (unit, component, browser), and what they share."""
