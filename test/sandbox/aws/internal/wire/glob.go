package wire

// Match tells whether s fits a pattern in which * stands for any run of characters and ? for one, as in EC2 filters
// and IAM policies. It is case-sensitive.
func Match(pattern, s string) bool {
	// star is the last * seen and mark where the text stood then: on a mismatch the star swallows one more.
	p, i, star, mark := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// MatchAny is Match for a pattern that may be empty, which fits everything.
func MatchAny(pattern, s string) bool { return pattern == "" || Match(pattern, s) }
