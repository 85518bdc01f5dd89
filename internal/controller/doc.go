// Package controller reconciles KarpenterUpgrades: it loads one, lets the engine take it one step on, and patches its status
// once. All decisions are the engine's and the phases'.
package controller
