use model::{AudienceName, ProfileId, Timestamp};

use super::{Engine, rules::Rule};

/// A profile in an audience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which profile.
    pub profile: ProfileId,
    /// Since when.
    pub entered_at: Timestamp,
    /// When the membership ends with no further call, if known.
    pub leaves_at: Option<Timestamp>,
}

impl Engine {
    /// Number of members; `None` if there is no such audience.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.rule(name).map(|(_, rule)| rule.size)
    }

    /// Version of the definition in effect.
    pub fn version(&self, name: &str) -> Option<u32> {
        self.rule(name).map(|(_, rule)| rule.version)
    }

    /// Whether the profile is in the audience.
    pub fn is_member(&self, name: &str, profile: ProfileId) -> bool {
        self.rule(name).zip(self.population.find(profile)).is_some_and(|((_, r), slot)| r.members.has(slot))
    }

    /// Up to `limit` members by profile id, from the one after `after`.
    pub fn members(&self, name: &str, after: Option<ProfileId>, limit: usize) -> Vec<Member> {
        let Some((audience, rule)) = self.rule(name) else { return Vec::new() };
        self.page(rule, after, limit)
            .into_iter()
            .filter_map(|profile| self.member(audience, profile))
            .collect()
    }

    /// The audiences of a profile, by name.
    pub fn of_profile(&self, profile: ProfileId) -> Vec<(AudienceName, Member)> {
        let Some(slot) = self.population.find(profile) else { return Vec::new() };
        let audiences = self.population.profile(slot).memberships.iter();
        audiences
            .filter_map(|(audience, _)| {
                Some((self.rules[audience as usize].name.clone(), self.member(audience, slot)?))
            })
            .collect()
    }

    /// Walks the profiles by id where many are members; else looks for the smallest ids among the
    /// members, so that a page of a small audience does not walk past everybody else.
    fn page(&self, rule: &Rule, after: Option<ProfileId>, limit: usize) -> Vec<u32> {
        let everybody = self.population.len() as u64;
        if rule.size.saturating_mul(64) > everybody {
            let ids = self.population.ids_after(after);
            return ids.map(|(_, p)| p).filter(|p| rule.members.has(*p)).take(limit).collect();
        }
        let ids = rule.members.iter().map(|profile| (self.population.profile(profile).id, profile));
        let mut later: Vec<_> = ids.filter(|(id, _)| after.is_none_or(|after| *id > after)).collect();
        if later.len() > limit {
            later.select_nth_unstable(limit);
            later.truncate(limit);
        }
        later.sort_unstable();
        later.into_iter().map(|(_, profile)| profile).collect()
    }

    fn member(&self, audience: u32, profile: u32) -> Option<Member> {
        let person = self.population.profile(profile);
        Some(Member {
            profile: person.id,
            entered_at: Timestamp::from_millis(person.memberships.entered_at(audience)?),
            leaves_at: self.leaves_at(profile, audience, self.clock),
        })
    }

    pub(super) fn rule(&self, name: &str) -> Option<(u32, &Rule)> {
        let place = self.rules.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok()?;
        let rule = &self.rules[place];
        rule.is_visible().then_some((place as u32, rule))
    }

    /// When a member leaves the audience with no further call.
    pub(super) fn leaves_at(&self, profile: u32, audience: u32, now: i64) -> Option<Timestamp> {
        let rule = &self.rules[audience as usize];
        let condition = rule.live()?;
        self.turns_at(profile, &condition.node, now).map(Timestamp::from_millis)
    }
}
