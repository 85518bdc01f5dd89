package world

import (
	"maps"
	"time"
)

// maxSessions bounds the sessions that are remembered.
const maxSessions = 4096

// Session is a role that somebody assumed.
type Session struct {
	// AccessKeyID signs the calls of the session.
	AccessKeyID, SecretAccessKey, Token string
	// RoleName, RoleID and Name make the session's identity.
	RoleName, RoleID, Name string
	// Subject is the ServiceAccount of a web identity, Pod the pod that its token is bound to; both may be empty.
	Subject, Pod string
	Expires      time.Time
}

// ARN is the identity of the session.
func (s Session) arn(seed *Seed) string {
	return seed.ARN("sts", "", "assumed-role/"+s.RoleName+"/"+s.Name)
}

// Assume opens a session of a role.
func (w *World) Assume(role RoleView, name, subject, pod string, lifetime time.Duration) Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clk.Now()
	maps.DeleteFunc(w.sessions, func(_ string, s Session) bool { return s.Expires.Before(now) })
	for id := range w.sessions { // Which one goes does not matter: nobody holds that many at a time.
		if len(w.sessions) < maxSessions {
			break
		}
		delete(w.sessions, id)
	}
	s := Session{
		AccessKeyID: newID("ASIA", 16), SecretAccessKey: newID("", 40), Token: newID("", 96), RoleName: role.Name,
		RoleID: role.ID, Name: name, Subject: subject, Pod: pod, Expires: now.Add(lifetime),
	}
	w.sessions[s.AccessKeyID] = s
	return s
}

// Session finds a session by its access key id.
func (w *World) Session(accessKeyID string) (Session, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, ok := w.sessions[accessKeyID]
	return s, ok
}

// Identity is who a caller is.
type Identity struct{ ARN, UserID string }

// Identify returns the identity of an access key id: the session's, or a user of the key's name. Keys are not checked.
func (w *World) Identify(accessKeyID string) Identity {
	if s, ok := w.Session(accessKeyID); ok {
		return Identity{ARN: s.arn(w.seed), UserID: s.RoleID + ":" + s.Name}
	}
	return Identity{ARN: w.seed.ARN("iam", "", "user/"+accessKeyID), UserID: "AIDA" + accessKeyID}
}
