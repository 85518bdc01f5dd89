package values

import "slices"

// levels are those that Karpenter accepts by LOG_LEVEL; with another it does not start (C@v0.36.2, v1.0.5,
// v1.14.1:pkg/operator/options).
var levels = []any{"", "debug", "info", "error"}

// loggingMoved goes to 0.32, which has two places for the level: the chart's ConfigMap, which it has by default and which
// decides, and logLevel beside it.
func loggingMoved(t *translation) {
	if v, ok := get(t.values, "logLevel"); ok && !empty(v) {
		for _, component := range []string{"global", "controller"} {
			path := "logConfig.logLevel." + component
			if _, there := get(t.values, path); there {
				continue // translated before
			}
			put(t.values, path, v)
			t.origins[path] = "logLevel"
		}
		if !slices.Contains(levels, v) {
			remove(t.values, "logLevel")
		}
	}
	loggingKeys(t)
}

func loggingKeys(t *translation) {
	t.move("controller.outputPaths", "logConfig.outputPaths")
	t.move("controller.errorOutputPaths", "logConfig.errorOutputPaths")
	t.move("logEncoding", "logConfig.logEncoding")
	remove(t.values, "controller.logEncoding") // no template read it
	for _, component := range []string{"controller", "webhook"} {
		if text(t.values, component+".logLevel") == "" {
			remove(t.values, component+".logLevel") // logLevel decides
		}
		t.move(component+".logLevel", "logConfig.logLevel."+component)
	}
}

// loggingOptIn goes to 0.33, which does not take the keys of 0.31 that 0.32 still took, and has the ConfigMap only where it is
// asked for.
func loggingOptIn(t *translation) {
	loggingKeys(t)
	config, _ := t.values["logConfig"].(map[string]any)
	if len(config) == 0 {
		delete(t.values, "logConfig")
		return
	}
	if _, said := config["enabled"]; said {
		return
	}
	if level, only := onlyLevel(config); only && slices.Contains(levels, level) {
		delete(t.values, "logConfig")
		t.values["logLevel"] = level
		return
	}
	config["enabled"] = true
}

// onlyLevel is the level of Karpenter where nothing else is configured than that: logLevel alone then says the same.
func onlyLevel(config map[string]any) (level any, only bool) {
	of, ok := config["logLevel"].(map[string]any)
	if !ok || len(config) > 1 {
		return nil, false
	}
	for component := range of {
		if component != "global" && component != "controller" {
			return nil, false
		}
	}
	level, ok = of["controller"]
	return level, ok
}

// loggingFlat goes to 1.0, which has no ConfigMap and writes JSON only.
func loggingFlat(t *translation) {
	if on, _ := get(t.values, "logConfig.enabled"); on == true {
		t.move("logConfig.outputPaths", "logOutputPaths")
		t.move("logConfig.errorOutputPaths", "logErrorOutputPaths")
		if _, said := get(t.values, "logLevel"); !said {
			t.move("logConfig.logLevel.global", "logLevel")
		}
		t.move("logConfig.logLevel.controller", "logLevel")
		if encoding := text(t.values, "logConfig.logEncoding"); encoding != "" && encoding != "json" {
			t.warn("logConfig.logEncoding", "Karpenter from 1.0 on writes its log as JSON only", "see that whatever reads the log takes JSON")
		}
	}
	delete(t.values, "logConfig")
	if v, ok := t.values["logLevel"]; ok && v != nil && !slices.Contains(levels, v) {
		delete(t.values, "logLevel")
		t.warn("logLevel", "Karpenter from 1.0 on starts with the log levels debug, info and error only, so it gets its default",
			"set logLevel in spec.target.values to one of them")
	}
}
