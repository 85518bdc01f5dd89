// Package values tests that values of old charts, translated, are what Karpenter's real charts understand and render.
package values
